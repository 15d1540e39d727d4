"""Flake inputs behind a password: who gets in, and where the password can be seen."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.watch import Watch
from tests.instance import Instance
from tests.processes import files_with
from tests.repository import Repository, flake

USER = "robot"
#: Must not turn up anywhere but in its file.
PASSWORD = "hush-input-93c1"


class InputServer:
    """Gives inputs to who knows the password. Each has one file, ``name``."""

    def __init__(self) -> None:
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.served: list[str] = []
        self.refused: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.headers.get("Authorization") == expected
                (server.served if known else server.refused).append(self.path)
                body = tar(self.path) if known else b""
                self.send_response(200 if known else 401)
                if not known:
                    self.send_header("WWW-Authenticate", 'Basic realm="inputs"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def tar(path: str) -> bytes:
    """An input with the file ``name``, whose text is ``path`` without what a URL needs."""
    name = Path(path).stem.encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("input/name")
        entry.size = len(name)
        archive.addfile(entry, io.BytesIO(name))
    return buffer.getvalue()


def private_flake(server: InputServer, folder: Path) -> tuple[str, dict[str, str]]:
    """The path of an input that no store has seen, and files of a flake that needs it. The lock
    file is made without fetching: what is in the store once is there for all."""
    path = f"/input-{uuid4().hex}.tar"
    with tarfile.open(fileobj=io.BytesIO(tar(path))) as archive:
        archive.extractall(folder / path[1:], filter="data")
    words = ["--extra-experimental-features", "nix-command", "hash", "path", "--sri"]
    nar_hash = subprocess.run(
        ["nix", *words, folder / path[1:] / "input"], capture_output=True, text=True, check=True
    ).stdout.strip()
    original = {"type": "tarball", "url": server.url + path}
    locked = {**original, "narHash": nar_hash}
    nodes = {
        "root": {"inputs": {"private": "private"}},
        "private": {"flake": False, "locked": locked, "original": original},
    }
    files = flake('a = ok (builtins.readFile "${private}/name");')
    text = files["flake.nix"].replace("outputs = _:", "outputs = { private, ... }:")
    inputs = f'inputs.private = {{ url = "{server.url}{path}"; flake = false; }};\n'
    files["flake.nix"] = text.replace("{\n", "{\n" + inputs, 1)
    files["flake.lock"] = json.dumps({"version": 7, "root": "root", "nodes": nodes})
    return path, files


@pytest.fixture(scope="module")
def server() -> Iterator[InputServer]:
    made = InputServer()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A master that builds branches `topic` too, but does not trust them."""
    made = Instance("private-inputs")
    made.settings["branches"] = {"topics": {"matchGlob": "topic"}}
    made.settings["eval_sandbox"] = "required"
    made.env["no_proxy"] = "127.0.0.1"
    try:
        made.start()
        made.start_worker()
        yield made
    finally:
        made.stop()


def test_private_inputs_are_for_trusted_branches(
    instance: Instance, server: InputServer, tmp_path: Path
) -> None:
    repository = Repository(instance.repositories_folder, "inputs")
    path, files = private_flake(server, tmp_path)
    repository.commit(files)
    netrc = instance.folder / "inputs-netrc"
    netrc.touch(mode=0o600)
    netrc.write_text(f"machine 127.0.0.1\nlogin {USER}\npassword {PASSWORD}\n")
    other_path, other_files = private_flake(server, tmp_path)
    with Watch(PASSWORD) as watch:
        instance.settings["pull_based"]["repositories"]["inputs"] = {
            "url": repository.url,
            "default_branch": "main",
            "poll_interval": 1,
            "eval_netrc_file": str(netrc),
        }
        instance.reconfigure()
        trusted = instance.wait_for_build("inputs", repository.head())
        assert trusted.result == "success", trusted.texts()
        head = repository.commit(other_files, branch="topic")
        untrusted = instance.wait_for_build("inputs", head)
    assert untrusted.result == "failure", untrusted.texts()
    assert server.served == [path]
    assert set(server.refused) >= {other_path}

    assert watch.seen == set()
    assert files_with(instance.folder, PASSWORD) == {netrc}
    for ended in (trusted, untrusted, *instance.children(trusted).values()):
        assert PASSWORD not in ended.texts()
        for step in ended.steps.values():
            assert not any(PASSWORD in log for log in step.logs.values())
        assert not any(PASSWORD in str(value) for value in ended.properties.values())
    assert trusted.properties["tested_on_branch"] == "yes"


def test_a_netrc_that_is_gone_is_said(instance: Instance, tmp_path: Path) -> None:
    repository = Repository(instance.repositories_folder, "forgotten")
    repository.commit(flake("a = ok 1;"))
    netrc = tmp_path / "forgotten-netrc"
    netrc.touch(mode=0o600)
    instance.settings["pull_based"]["repositories"]["forgotten"] = {
        "url": repository.url,
        "default_branch": "main",
        "poll_interval": 1,
        "eval_netrc_file": str(netrc),
    }
    instance.reconfigure()
    instance.wait_for_build("forgotten", repository.head())
    netrc.unlink()
    ended = instance.wait_for_build("forgotten", repository.commit(flake("b = ok 2;")))
    assert ended.result == "exception", ended.texts()
    assert str(netrc) in ended.texts()
    assert "Traceback" not in ended.texts()
