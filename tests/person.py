"""Somebody in front of a browser: cookies, forms, and what Buildbot's pages would ask for."""

from __future__ import annotations

import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass
class Reply:
    """What came back."""

    status: int
    url: str
    text: str


class Person:
    """Keeps cookies and follows redirects, as a browser does, unless it is asked not to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = http.cookiejar.CookieJar()
        handlers = [
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self.cookies),
        ]
        self._opener = urllib.request.build_opener(*handlers)
        self._still = urllib.request.build_opener(*handlers, NoRedirect())

    def get(self, url: str, *, follow: bool = True, **headers: str) -> Reply:
        """Goes to an address, below the master's if it is none by itself."""
        return self._ask(urllib.request.Request(self._whole(url), headers=headers), follow)

    def post(self, url: str, fields: dict[str, str]) -> Reply:
        """Sends a form."""
        data = urllib.parse.urlencode(fields).encode()
        return self._ask(urllib.request.Request(self._whole(url), data=data), True)

    def control(self, path: str, method: str, origin: str = "", **params: object) -> Reply:
        """Presses one of the buttons."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"Content-Type": "application/json"}
        if origin:
            headers["Origin"] = origin
        request = urllib.request.Request(
            f"{self.url}api/v2/{path}", data=json.dumps(call).encode(), headers=headers
        )
        return self._ask(request, True)

    def who(self) -> dict[str, Any]:
        """Who Buildbot's page thinks this is."""
        user: dict[str, Any] = json.loads(self.get("config").text)["user"]
        return user

    def log_in(self, login: str, redirect: str = "/") -> Reply:
        """Through npm's oidc-provider: its page asks who it is, and then whether that is all
        right."""
        query = urllib.parse.urlencode({"provider": "oidc", "redirect": redirect})
        reply = self.get(f"auth/login?{query}")
        while found := re.search(r'action="([^"]*/interaction/[^"]+)"', reply.text):
            prompt = re.search(r'name="prompt" value="(\w+)"', reply.text)
            assert prompt, reply.text
            fields = {"prompt": prompt[1], "login": login, "password": "any"}
            reply = self.post(urllib.parse.urljoin(reply.url, found[1]), fields)
        return reply

    def cookie(self, name: str) -> http.cookiejar.Cookie | None:
        """That of this name."""
        return next((cookie for cookie in self.cookies if cookie.name == name), None)

    def _whole(self, url: str) -> str:
        return url if "://" in url else f"{self.url}{url}"

    def _ask(self, request: urllib.request.Request, follow: bool) -> Reply:
        opener = self._opener if follow else self._still
        try:
            with opener.open(request, timeout=30) as answer:
                return Reply(answer.status, answer.url, answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            return Reply(error.code, error.headers.get("Location", error.url), text)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Stays where it is."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None
