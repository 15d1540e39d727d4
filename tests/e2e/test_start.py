"""What keeps a master from starting is said in words, on the command line and at its start."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import MASTER, Instance
from tests.processes import free_port, tail
from tests.repository import SYSTEM
from tests.waiting import wait_until

MISTAKES = f"""\
url: not a url
build_systems: [{SYSTEM}, "no such system"]
prot: 8010
nix_workers_secret_file: workers.json
pull_based:
  poll_interval: often
  repositories:
    somewhere:
      url: https://example.org/x.git
"""
#: Line and key path of each.
EXPECTED = [
    (1, "url"),
    (2, "build_systems"),
    (3, "prot"),
    (6, "pull_based.poll_interval"),
    (9, "pull_based.repositories.somewhere.default_branch"),
]


@pytest.fixture
def instance() -> Iterator[Instance]:
    """A master that is not started yet."""
    made = Instance("start")
    yield made
    made.stop()


def start_in_vain(instance: Instance) -> str:
    """Starts a master that cannot start; returns all that it says."""
    ended = instance.run(*MASTER, seconds=30)
    said = ended.stdout + ended.stderr + tail(instance.twistd_log, 200)
    assert ended.returncode not in (0, None), said
    assert "Traceback" not in said, said
    return said


def problems_in(said: str) -> list[tuple[int, str]]:
    """Line and key of each message like ``…/settings.yaml:3: `key`: …``."""
    found = re.findall(r"settings\.yaml:(\d+): `([^`]+)`", said)
    return [(int(line), key) for line, key in found]


def test_five_mistakes_are_five_messages(instance: Instance) -> None:
    instance.prepare()
    (instance.master_folder / "settings.yaml").write_text(MISTAKES)

    checked = instance.run("buildbot-nix", "check-config", "settings.yaml")
    assert checked.returncode == 2, checked
    assert problems_in(checked.stdout + checked.stderr) == EXPECTED
    assert "did you mean `port`?" in checked.stdout + checked.stderr

    upgraded = instance.run("buildbot", "upgrade-master", ".")
    assert upgraded.returncode != 0
    assert "Traceback" not in upgraded.stdout + upgraded.stderr
    assert problems_in(upgraded.stdout + upgraded.stderr) == EXPECTED

    assert problems_in(start_in_vain(instance)) == EXPECTED


def test_new_settings_start(instance: Instance) -> None:
    """What ``init`` writes is a master without a repository."""
    instance.start()
    assert instance.rest.get("builders") == []


def test_settings_that_are_no_yaml(instance: Instance) -> None:
    instance.prepare()
    (instance.master_folder / "settings.yaml").write_text("url: [\n")
    assert "settings.yaml:" in start_in_vain(instance)


def test_missing_settings(instance: Instance) -> None:
    instance.prepare()
    (instance.master_folder / "settings.yaml").unlink()
    assert "settings.yaml" in start_in_vain(instance)


@pytest.mark.parametrize("setting", ["port", "worker_port"])
def test_a_port_in_use(instance: Instance, setting: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        instance.settings[setting] = f"tcp:{port}:interface=127.0.0.1"
        instance.prepare()
        said = start_in_vain(instance)
    assert f"{port}" in said
    assert f"`{setting}`" in said
    assert "another process listens there" in said
    # Nothing was spoilt: it starts as soon as the port is free.
    instance.port = port if setting == "port" else instance.port
    instance.rest.url = f"http://127.0.0.1:{instance.port}/"
    instance.start()


def test_an_unreadable_secret_file(instance: Instance) -> None:
    path = instance.folder / "no-such-file.json"
    instance.settings["nix_workers_secret_file"] = str(path)
    instance.prepare()
    said = start_in_vain(instance)
    assert str(path) in said
    assert "nix_workers_secret_file" in said


def test_a_secret_file_of_another_user(instance: Instance) -> None:
    path = Path(instance.settings["nix_workers_secret_file"])
    instance.prepare()
    path.chmod(0)
    if os.getuid() == 0:
        # Root may read everything, so it has to be somebody else who looks.
        said = as_nobody(instance, "plan", str(instance.master_folder / "settings.yaml"))
    else:
        said = start_in_vain(instance)
    assert str(path) in said
    assert "Permission denied" in said


def as_nobody(instance: Instance, *arguments: str) -> str:
    """What ``buildbot-nix`` says to an unprivileged user, who may see the instance's folder."""
    program = instance.run("sh", "-c", "command -v buildbot-nix").stdout.strip()
    instance.folder.chmod(0o755)
    for path in (instance.master_folder, instance.master_folder / "settings.yaml"):
        path.chmod(0o755)
    ended = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3, ended
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("how", ["db_url", "db_url_file"])
def test_a_database_that_is_down(instance: Instance, how: str) -> None:
    port = free_port()
    url = f"postgresql://ci:hush-7f3e@127.0.0.1:{port}/ci"
    if how == "db_url_file":
        file = instance.folder / "database-url"
        file.write_text(url)
        instance.settings[how] = str(file)
    else:
        instance.settings[how] = url
    instance.prepare()
    said = start_in_vain(instance)
    assert f"127.0.0.1:{port}" in said
    assert "hush-7f3e" not in said


def test_a_database_file_that_cannot_be_made(instance: Instance) -> None:
    instance.settings["db_url"] = "sqlite:////proc/no-such-folder/state.sqlite"
    instance.prepare()
    said = start_in_vain(instance)
    assert "/proc/no-such-folder/state.sqlite" in said


def test_wrong_new_settings_change_nothing(instance: Instance) -> None:
    instance.start()
    seen = instance.twistd_log.stat().st_size
    good = (instance.master_folder / "settings.yaml").read_text()
    (instance.master_folder / "settings.yaml").write_text(MISTAKES)
    assert instance.master is not None
    instance.master.send(signal.SIGHUP)

    def new_log() -> str:
        return instance.twistd_log.read_text()[seen:]

    wait_until("a refusal", lambda: "configuration update aborted" in new_log(), 30, seen=new_log)
    assert problems_in(new_log()) == EXPECTED
    assert "Traceback" not in new_log()
    (instance.master_folder / "settings.yaml").write_text(good)
    instance.reconfigure()
    assert instance.rest.get("masters")
