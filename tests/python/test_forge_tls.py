"""A forge whose certificate is from an authority of its own."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildbot_nix import errors
from buildbot_nix._native import ForgeKind, Forges, load_plan
from tests.fakes.server import Exchange, Server, json_answer


class Authority:
    """Who makes certificates."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.certificate = self._make("authority", "-addext", "keyUsage=critical,keyCertSign")

    def server(self, name: str) -> ssl.SSLContext:
        """A certificate for the host ``name``, with its key."""
        signed = ("-CA", str(self.certificate), "-CAkey", str(self._folder / "authority.key"))
        chosen = (f"subjectAltName=DNS:{name}", "basicConstraints=critical,CA:FALSE")
        extensions = (word for extension in chosen for word in ("-addext", extension))
        certificate = self._make(name, *signed, *extensions)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        return context

    def _make(self, name: str, *options: str) -> Path:
        certificate = self._folder / f"{name}.pem"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        files = ("-keyout", str(certificate.with_suffix(".key")), "-out", str(certificate))
        command = ["openssl", "req", "-x509", *curve, "-days", "2", "-subj", f"/CN={name}"]
        subprocess.run([*command, *files, *options], capture_output=True, check=True)
        return certificate


def empty(exchange: Exchange) -> None:
    """A Gitea without repositories."""
    exchange.send(json_answer([]))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "own")


@pytest.fixture
def gitea(authority: Authority) -> Iterator[Server]:
    server = Server(empty, authority.server("localhost"))
    yield server
    server.stop()


def discover(folder: Path, server: Server, ca_file: Path | None) -> list[object]:
    """What is found on ``server`` if ``ca_file`` is trusted besides those of the system."""
    for name in ("token", "hooks"):
        (folder / name).write_text("hunter2")
    port = server.url.rstrip("/").rsplit(":", 1)[1]
    gitea = {
        "instance_url": f"https://localhost:{port}",
        "token_file": "./token",
        "webhook_secret_file": "./hooks",
    }
    if ca_file is not None:
        gitea["ca_file"] = str(ca_file)
    written = {"url": "http://ci/", "build_systems": ["x86_64-linux"], "local_workers": 1}
    (folder / "settings.json").write_text(json.dumps(written | {"gitea": gitea}))
    forges = Forges(load_plan(str(folder / "settings.json")))
    try:
        return list(forges.discover(ForgeKind.Gitea).with_known([]))
    finally:
        forges.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing between us and the forge."""
    monkeypatch.setenv("NO_PROXY", "localhost")


def test_an_authority_of_the_settings_is_trusted(
    tmp_path: Path, gitea: Server, authority: Authority
) -> None:
    assert discover(tmp_path, gitea, authority.certificate) == []


def test_nothing_else_is_trusted(tmp_path: Path, gitea: Server, authority: Authority) -> None:
    another = Authority(tmp_path / "authority").certificate
    elsewhere = Server(empty, authority.server("elsewhere.example.org"))
    cases = {
        "none": (gitea, None),
        "another": (gitea, another),
        "elsewhere": (elsewhere, authority.certificate),
    }

    def refusal(name: str) -> str:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        with pytest.raises(errors.ForgeUnavailableError) as refused:
            discover(folder, *cases[name])
        return str(refused.value)

    try:
        # Each is tried several times, in case it passes.
        with ThreadPoolExecutor() as pool:
            said = list(pool.map(refusal, cases))
    finally:
        elsewhere.stop()
    assert all("certificate" in text for text in said), said
