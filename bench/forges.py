"""Discovery of many repositories, with their topics and webhooks."""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.instance import Options
from bench.report import Aim, heading, row
from buildbot_nix._native import ForgeKind, Forges, load_plan

REPOSITORIES = 1000
#: Seconds of each answer.
LATENCY = 0.05
#: What is done one after the other, and how many seconds it may take.
DISCOVERIES = {"first, makes webhooks": 15, "second, sees them": None, "third, nothing changed": 3}
TITLES = [
    *("forge", "discovery", "repositories", "requests", "of them 304", "seconds", "memory KiB"),
]
PREFIX = {"github": "", "gitea": "/api/v1"}
TOKEN = {"token": "t", "expires_at": "2099-01-01T00:00:00Z"}


@dataclass
class Double:
    """As much of a forge as discovery asks, each answer after ``latency`` seconds."""

    kind: str
    count: int
    latency: float
    #: Gitea lists topics since 1.22; before, they have to be asked for.
    lists_topics: bool = True
    #: With ``requests``, how many of them were answered with 304.
    counters: dict[str, int] = field(default_factory=lambda: {"requests": 0, "unchanged": 0})
    hooks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Any, str | None]:
        """Status, content and the header `Link`."""
        url = urlsplit(target)
        path = url.path.removeprefix(PREFIX[self.kind])
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if path == "/app/installations":
            return 200, [{"id": 1, "account": {"login": "team"}}], None
        if path.endswith("/access_tokens"):
            return 201, TOKEN, None
        if path in ("/installation/repositories", "/user/repos"):
            return self._page(url.path, query)
        if path == "/user/orgs":
            return 200, [], None
        if path.endswith("/topics"):
            return 200, {"topics": ["build"]}, None
        hooks = self.hooks.setdefault(path, [])
        if method == "POST":
            hook = {**json.loads(body), "id": len(self.hooks)}
            hook["config"] = {**hook["config"], "secret": "********"}
            hooks.append(hook)
            return 201, hook, None
        return 200, hooks, None

    def _page(self, path: str, query: dict[str, str]) -> tuple[int, Any, str | None]:
        size = int(query.get("per_page") or query["limit"])
        page = int(query.get("page", 1))
        last = -(-self.count // size)
        numbers = range((page - 1) * size, min(page * size, self.count))
        items = [self._repository(number) for number in numbers]
        name = "per_page" if "per_page" in query else "limit"

        def link(number: int, relation: str) -> str:
            return f'<{path}?{name}={size}&page={number}>; rel="{relation}"'

        links = f"{link(page + 1, 'next')}, {link(last, 'last')}" if page < last else None
        if path.startswith("/installation"):
            return 200, {"total_count": self.count, "repositories": items}, links
        return 200, items, links

    def _repository(self, number: int) -> dict[str, Any]:
        name = f"team/repository-{number:05}"
        repository = {
            "id": number,
            "full_name": name,
            "owner": {"login": "team", "type": "Organization"},
            "html_url": f"https://forge/{name}",
            "clone_url": f"https://forge/{name}.git",
            "ssh_url": f"git@forge:{name}.git",
            "default_branch": "main",
            "permissions": {"admin": True},
            # What else a forge says is some five kilobytes.
            "padding": "x" * 5000,
        }
        return {**repository, "topics": ["build"]} if self.lists_topics else repository

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            method, target, _ = head.split(" ", 2)
            if target == "/counters":
                status, content, links = 200, self.counters, None
                self.counters = {"requests": 0, "unchanged": 0}
            else:
                length = re.search(r"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length.group(1))) if length else b""
                await asyncio.sleep(self.latency)
                status, content, links = self.answer(method, target, body)
                self.counters["requests"] += 1
            text = json.dumps(content).encode()
            etag = f'"{hashlib.sha256(text).hexdigest()}"'
            # Gitea sends no ETag.
            if self.kind == "github" and f"if-none-match: {etag}" in head.lower():
                self.counters["unchanged"] += 1
                status, text = 304, b""
            headers = [f"HTTP/1.1 {status} -", f"content-length: {len(text)}"]
            headers += [f"etag: {etag}"] if self.kind == "github" else []
            headers += [f"link: {links}"] if links else []
            writer.write("\r\n".join([*headers, "", ""]).encode() + text)
            await writer.drain()


def serve(double: Double, ready: Connection) -> None:
    """Runs ``double`` in this process; tells its port."""

    async def run() -> None:
        server = await asyncio.start_server(_quietly(double.serve), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def _quietly(serve: Callable[..., Any]) -> Callable[..., Any]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return served


def counters(port: int) -> dict[str, int]:
    """How much was asked since the last time."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counters") as answer:
        counted: dict[str, int] = json.load(answer)
        return counted


def write_settings(folder: Path, kind: str, port: int) -> Path:
    """Settings for the double at ``port``, with the files they name."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "github-app-secret-key").write_bytes(pem)
    for name in ("github-webhook-secret", "gitea-webhook-secret", "gitea-token"):
        (folder / name).write_text("secret")
    url = f"http://127.0.0.1:{port}"
    forge: dict[str, Any] = {"instance_url": url, "filters": {"topic": "build"}}
    if kind == "github":
        forge |= {"id": 1, "api_url": url}
    settings = {
        "url": "https://ci.example.org",
        "build_systems": ["x86_64-linux"],
        "local_workers": 1,
        kind: forge,
    }
    file = folder / "settings.json"
    file.write_text(json.dumps(settings))
    return file


def discovery(_: Options) -> Iterator[str | Aim]:
    """A thousand repositories, on forges that answer after 50 ms."""
    yield heading(TITLES)
    yield from measure(Double("github", REPOSITORIES, LATENCY), "GitHub")
    yield from measure(Double("gitea", REPOSITORIES, LATENCY), "Gitea")
    older = Double("gitea", REPOSITORIES, LATENCY, lists_topics=False)
    yield from measure(older, "Gitea before 1.22")


def measure(double: Double, title: str) -> Iterator[str | Aim]:
    """A row for each of three discoveries, with a restart in between."""
    kind, count = double.kind, double.count
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=serve, args=(double, sending))
    process.start()
    port = receiving.recv()
    try:
        with tempfile.TemporaryDirectory() as folder:
            plan = load_plan(str(write_settings(Path(folder), kind, port)))
            memory = None
            for what, most in DISCOVERIES.items():
                begun = time.monotonic()
                forges = Forges(plan, memory)
                which = ForgeKind.Github if kind == "github" else ForgeKind.Gitea
                repositories = forges.discover(which).with_known([])
                outcomes = forges.ensure_hooks(repositories)
                seconds = time.monotonic() - begun
                assert len(repositories) == count, len(repositories)
                assert not [outcome.error for outcome in outcomes if outcome.error]
                memory = forges.memory()
                forges.close()
                asked = counters(port)
                yield row([
                    *(title, what, count, asked["requests"], asked["unchanged"]),
                    *(f"{seconds:.1f}", len(memory) // 1024),
                ])  # fmt: skip
                if most is not None:
                    yield Aim(f"{title}: {what}", seconds, most, "s")
    finally:
        process.terminate()
        process.join()
