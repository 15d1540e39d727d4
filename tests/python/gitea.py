"""A Gitea with one repository, for tests of what talks to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = {
    "id": 42,
    "full_name": "team/site",
    "html_url": "http://forge/team/site",
    "clone_url": "http://forge/team/site.git",
    "ssh_url": "git@forge:team/site.git",
    "default_branch": "main",
    "topics": [],
    "permissions": {"admin": True},
}
ANSWERS: dict[str, tuple[int, Any]] = {
    "GET /api/v1/user/repos": (200, [REPOSITORY]),
    "GET /api/v1/user/orgs": (200, []),
    "GET /api/v1/repos/team/site/hooks": (200, []),
    "POST /api/v1/repos/team/site/hooks": (201, {"id": 1}),
    "POST /api/v1/repos/team/site/statuses/good": (201, {}),
    "POST /api/v1/repos/team/site/statuses/bad": (422, {"message": "no such commit"}),
    "POST /api/v1/repos/team/site/statuses/much": (429, {"message": "slow down"}),
}


class Double(ThreadingHTTPServer):
    """A Gitea with one repository."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.seen: list[tuple[str, Any]] = []


class Answering(BaseHTTPRequestHandler):
    server: Double

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        what = f"{self.command} {self.path.partition('?')[0]}"
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((what, json.loads(body) if body else None))
        status, content = ANSWERS.get(what, (404, {"message": "not found"}))
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "900")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())


@pytest.fixture
def double() -> Iterator[Double]:
    double = Double()
    thread = threading.Thread(target=double.serve_forever)
    thread.start()
    try:
        yield double
    finally:
        double.shutdown()
        thread.join()
        double.server_close()


@pytest.fixture
def settings(double: Double, tmp_path: Path) -> Path:
    text = {
        "url": "https://ci.example.org",
        "build_systems": ["x86_64-linux"],
        "local_workers": 1,
        "gitea": {"instance_url": f"http://127.0.0.1:{double.server_port}"},
    }
    (tmp_path / "gitea-token").write_text("hunter2")
    (tmp_path / "gitea-webhook-secret").write_text("hunter3")
    (tmp_path / "settings.json").write_text(json.dumps(text))
    return tmp_path / "settings.json"
