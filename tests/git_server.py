"""Git over https with a password, as forges offer it: by git's own CGI program."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.repository import git


class GitServer:
    """Serves the bare repositories in ``folder`` to who knows the password."""

    def __init__(
        self, folder: Path, certificate: Path, key: Path, user: str, password: str
    ) -> None:
        expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.refused = 0
        self.served = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Authorization") != expected:
                    server.refused += 1
                    self._answer(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
                    return
                server.served += 1
                path, _, query = self.path.partition("?")
                self._answer(
                    *serve_git(folder, self.command, path, query, self.headers, body, user)
                )

            def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_git(
    folder: Path,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    user: str,
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of git's own answer for a repository in ``folder``."""
    variables = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": method,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "HTTP_GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "REMOTE_USER": user,
    }
    backend = Path(git(folder, "--exec-path")) / "git-http-backend"
    answer = subprocess.run(
        [backend], input=body, env=variables, capture_output=True, check=True
    ).stdout
    head, _, content = answer.partition(b"\r\n\r\n")
    pairs = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(pairs.pop("Status", "200").split()[0])
    return status, list(pairs.items()), content


def make_certificate(folder: Path, *addresses: str) -> tuple[Path, Path]:
    """A certificate for this machine's loopback address and ``addresses``, and its key."""
    names = ",".join(["DNS:localhost", *(f"IP:{it}" for it in ("127.0.0.1", *addresses))])
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", f"subjectAltName={names}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        capture_output=True,
        check=True,
    )
    return certificate, key
