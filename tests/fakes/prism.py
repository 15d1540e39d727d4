"""Prism, a proxy that compares requests and answers with an OpenAPI document."""

from __future__ import annotations

import http.client
import json
import os
import queue
from pathlib import Path
from typing import Any

from tests.fakes.documents import FOLDER
from tests.fakes.server import Answer, Request
from tests.processes import Process, free_port
from tests.waiting import wait_until

#: What the types of Prism's own answers begin with.
OWN = "https://stoplight.io/prism/errors#"
#: Headers that belong to one connection.
HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "te", "transfer-encoding"}


class Prism:
    """Stands before a server."""

    def __init__(self, document: dict[str, Any], upstream: str, folder: Path) -> None:
        file = folder / "openapi.json"
        file.write_text(json.dumps(document))
        port = free_port()
        self._address = f"127.0.0.1:{port}"
        #: Connections that nobody uses now.
        self._idle: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()
        self._process = Process(
            [
                *(FOLDER / "node_modules/.bin/prism", "proxy", file, upstream, "--errors"),
                *("--port", str(port), "--host", "127.0.0.1", "--verboseLevel", "warn"),
            ],
            output=folder / "prism.log",
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )
        try:
            wait_until("Prism", self._answers, seen=self._process.tail)
        except BaseException:
            self.stop()
            raise

    def pass_on(self, request: Request, path: str, **headers: str) -> Answer:
        """What comes back for a request to ``path``."""
        kept = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        target = f"{path}?{request.query}" if request.query else path
        return self.ask(request.method, target, request.body, {**kept, **headers})

    def ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
        """One request."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            answer = self._exchange(connection, method, target, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # It ends connections that were idle for some seconds.
            connection.close()
            answer = self._exchange(connection, method, target, body, headers)
        self._idle.put(connection)
        return answer

    def stop(self) -> None:
        """Ends it."""
        self._process.stop()
        while not self._idle.empty():
            self._idle.get().close()

    @staticmethod
    def _exchange(
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes,
        headers: dict[str, str],
    ) -> Answer:
        connection.request(method, target, body or None, headers)
        got = connection.getresponse()
        return Answer(got.status, got.read(), dict(got.getheaders()))

    def _answers(self) -> bool:
        assert self._process.exit_status is None, self._process.tail()
        try:
            self.ask("GET", "/", b"", {})
        except ConnectionError:
            return False
        return True


def objection(answer: Answer) -> list[str] | None:
    """What Prism holds against a request or an answer, if it is Prism that speaks."""
    if "problem+json" not in answer.headers.get("content-type", ""):
        return None
    problem = json.loads(answer.body)
    if not str(problem.get("type", "")).startswith(OWN):
        return None
    details = [
        f"{'.'.join(map(str, each.get('location', [])))}: {each['message']}"
        for each in problem.get("validation", [])
    ]
    return details or [f"{problem['title']}: {problem['detail']}"]
