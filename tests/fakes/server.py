"""A small HTTP server for doubles: requests and answers as values, one thread a connection."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

JSON = "application/json; charset=utf-8"


@dataclass
class Request:
    """What a client asks for."""

    method: str
    #: With escapes, without the query.
    path: str
    query: str
    headers: Message
    body: bytes

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The last value of each name in the query."""
        return {key: values[-1] for key, values in parse_qs(self.query).items()}

    @cached_property
    def form(self) -> dict[str, str]:
        """The body's fields, whether they are JSON or a form."""
        if "json" in self.headers.get("Content-Type", ""):
            return dict(self.json)
        return {key: values[-1] for key, values in parse_qs(self.body.decode()).items()}

    @cached_property
    def json(self) -> Any:
        """The body as JSON; an empty object if there is none."""
        return json.loads(self.body or b"{}")

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass
class Answer:
    """What a client gets."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(value: object, status: int = 200, **headers: str) -> Answer:
    """An answer in JSON; underscores in names of headers are hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"Content-Type": JSON, **named})


def redirect(url: str, status: int = 302) -> Answer:
    """An answer that sends the client elsewhere."""
    return Answer(status, headers={"Location": url})


class ApiError(Exception):
    """A request that is refused. The forge puts it into words of its own."""

    def __init__(self, status: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.more = more


@dataclass
class Route:
    """One operation of an API."""

    method: str
    template: str
    function: Callable[..., Any]
    #: What the caller must be allowed to, in the forge's own terms.
    needs: Any
    #: Whether the official document has it.
    official: bool

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches its paths."""
        parts = re.split(r"\{(\w+)\}", self.template)
        names = [f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts)]
        return re.compile("".join(names))


class Routes:
    """The operations of an API. An instance is a decorator that adds one."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def __call__(
        self, method: str, template: str, needs: Any = None, *, official: bool = True
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            self.all.append(Route(method, template, function, needs, official))
            return function

        return add

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The operation that a request asks for, and the path's variable parts."""
        for route in self.all:
            match = route.pattern.fullmatch(path) if route.method == method else None
            if match:
                return route, {key: unquote(part) for key, part in match.groupdict().items()}
        return None


class Exchange:
    """A request with the connection to answer on, for those who want to answer badly."""

    def __init__(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.request = request
        self._handler = handler
        self.stopping: threading.Event = handler.server.stopping

    def send(self, answer: Answer) -> None:
        """Answers as one should."""
        self._head(answer)
        self._handler.wfile.write(answer.body)
        self._handler.wfile.flush()

    def drip(self, answer: Answer, seconds: float, size: int = 1) -> None:
        """Sends the body in pieces of ``size`` bytes, one every ``seconds``."""
        self._head(answer)
        self._handler.wfile.flush()
        for start in range(0, len(answer.body), size):
            if self.stopping.wait(seconds):
                break
            self._handler.wfile.write(answer.body[start : start + size])
            self._handler.wfile.flush()

    def cut_off(self, answer: Answer) -> None:
        """Sends half of the body and ends the connection."""
        self._head(answer)
        self._handler.wfile.write(answer.body[: len(answer.body) // 2])
        self.hang_up()

    def hang_up(self) -> None:
        """Ends the connection in an orderly way."""
        self._handler.close_connection = True
        self._handler.wfile.flush()

    def reset(self) -> None:
        """Ends the connection as a crashed machine does."""
        self._handler.close_connection = True
        linger = struct.pack("ii", 1, 0)
        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # Now, and not when all that was made of it is gone.
        os.close(connection.detach())

    def _head(self, answer: Answer) -> None:
        handler = self._handler
        handler.send_response_only(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.status not in (204, 304):
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        if handler.command == "HEAD" or answer.status in (204, 304):
            answer.body = b""


class Server:
    """Listens on a free port of the loopback interface until it is stopped."""

    def __init__(
        self, handle: Callable[[Exchange], None], context: ssl.SSLContext | None = None
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One packet for head and body, or each answer waits for an acknowledgement.
            wbufsize = -1
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                url = urlsplit(self.path)
                body = self._body()
                request = Request(self.command, url.path, url.query, self.headers, body)
                try:
                    handle(Exchange(self, request))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                pieces = []
                while size := int(self.rfile.readline(), 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(pieces)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.stopping = threading.Event()
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        """Ends it, and every connection."""
        self._server.stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()


class _QuietServer(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends connections that clients keep open."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or that we hung up on, is nothing to print. Our own mistakes
        have been noted by who handles requests."""
