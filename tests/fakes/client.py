"""A client of a double's API, for tests of the doubles themselves."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.fakes.forge import Forge
from tests.rest import OPENER


class Client:
    """Speaks as whoever ``authorization`` stands for."""

    def __init__(self, forge: Forge, authorization: str = "") -> None:
        self.forge = forge
        self.headers = {"User-Agent": "test"}
        if authorization:
            self.headers["Authorization"] = authorization
        #: Of the last answer.
        self.status = 0
        self.answer_headers: dict[str, str] = {}

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, form: Any = None, **headers: str) -> Any:
        """The JSON of the answer, whatever its status. Underscores in names of headers are
        hyphens."""
        url = path if path.startswith("http") else self.forge.api_url + path
        body = None if form is None else json.dumps(form).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, body, {**self.headers, **named}, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            answer = OPENER.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            self.status, self.answer_headers = answer.status, dict(answer.headers.items())
            text = answer.read()
        return json.loads(text) if text else None
