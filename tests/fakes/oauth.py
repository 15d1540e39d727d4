"""Logging in through a forge: OAuth's authorisation codes, RFC 6749, as both forges offer them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.fakes.model import Account, Token
from tests.fakes.server import Answer, ApiError, Request, json_answer, redirect


@dataclass
class Client:
    """An application that people log in to."""

    id: str
    secret: str
    #: Where people are sent back to; what they ask for must begin with it.
    redirect_uri: str
    #: The GitHub App that people log in to; none for an OAuth app.
    app: Any = None


class Provider:
    """Asks nobody: whoever is in front of the browser agrees."""

    def __init__(self, add_token: Callable[[Token], None], token_prefix: str = "") -> None:
        self.clients: dict[str, Client] = {}
        #: Who is logged in on the forge in the browser.
        self.person: Account | None = None
        self._add_token = add_token
        self._prefix = token_prefix
        #: Client, scopes and person of each code that was not used.
        self._codes: dict[str, tuple[Client, str, Account]] = {}

    def register(self, redirect_uri: str, app: Any = None) -> Client:
        """A new application, or a GitHub App to which people may log in from now on."""
        number = app.client_id if app else secrets.token_hex(10)
        made = Client(number, secrets.token_hex(20), redirect_uri, app)
        self.clients[made.id] = made
        return made

    def serve(self, request: Request) -> Answer | None:
        """The answer if the request is about logging in."""
        if request.path == "/login/oauth/authorize" and request.method == "GET":
            return self._authorize(request.parameters)
        if request.path == "/login/oauth/access_token" and request.method == "POST":
            return self._exchange(request)
        return None

    def _authorize(self, asked: dict[str, str]) -> Answer:
        client = self.clients.get(asked.get("client_id", ""))
        if client is None or self.person is None:
            raise ApiError(404, "Not Found")
        target = asked.get("redirect_uri", client.redirect_uri)
        if not target.startswith(client.redirect_uri):
            return self._back(client.redirect_uri, error="redirect_uri_mismatch")
        code = secrets.token_hex(10)
        self._codes[code] = (client, asked.get("scope", ""), self.person)
        more = {"state": asked["state"]} if "state" in asked else {}
        return self._back(target, code=code, **more)

    @staticmethod
    def _back(target: str, **fields: str) -> Answer:
        url = urlsplit(target)
        before = {key: values[-1] for key, values in parse_qs(url.query).items()}
        return redirect(url._replace(query=urlencode({**before, **fields})).geturl())

    def _exchange(self, request: Request) -> Answer:
        form = request.form
        password = basic(request)
        if password:
            form = {**form, "client_id": password[0], "client_secret": password[1]}
        client, scope, person = self._codes.pop(form.get("code", ""), (None, "", None))
        if client is None or person is None:
            return self._reply(request, {"error": "bad_verification_code"})
        given = (form.get("client_id"), form.get("client_secret"))
        if given != (client.id, client.secret):
            return self._reply(request, {"error": "incorrect_client_credentials"})
        scopes = frozenset(scope.replace(",", " ").split())
        token = Token(self._prefix + secrets.token_hex(18), person, scopes)
        if client.app:
            # It may what the App may, whatever was asked for.
            token = Token("ghu_" + secrets.token_hex(18), person, acting_app=client.app)
            scopes = frozenset()
        self._add_token(token)
        granted = ",".join(sorted(scopes))
        return self._reply(
            request, {"access_token": token.text, "scope": granted, "token_type": "bearer"}
        )

    @staticmethod
    def _reply(request: Request, fields: dict[str, Any]) -> Answer:
        if "json" in request.headers.get("Accept", ""):
            return json_answer(fields)
        kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return Answer(200, urlencode(fields).encode(), kind)


def basic(request: Request) -> tuple[str, str] | None:
    """User and password of a request, if it has them."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(text).decode().partition(":")
    except ValueError:
        raise ApiError(401, "Bad credentials") from None
    return user, password
