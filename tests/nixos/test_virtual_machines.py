"""The tests with virtual machines, as far as they can be looked at without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nixos.evaluated import MACHINES, NIXOS, OURS


@pytest.mark.parametrize("name", sorted(OURS["scripts"]))
def test_scripts_of_virtual_machines_know_their_names(name: str) -> None:
    script = OURS["scripts"][name]
    given = ["builder", "ci", "client", "start_all", "subtest"]
    command = ["ruff", "check", "--isolated", "--quiet", "--select=F,E9", "-"]
    done = subprocess.run(
        [*command, f"--config=builtins={json.dumps(given)}"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(NIXOS is None, reason="there is no NixOS")
@pytest.mark.parametrize("name", sorted(OURS["scripts"]))
def test_scripts_of_virtual_machines_fit_nixpkgs_driver(name: str, tmp_path: Path) -> None:
    library = Path(NIXOS or "") / "lib"
    # As nixpkgs checks it before it runs the test.
    text = (library / "test-script-prepend.py").read_text()
    text += "".join(f"{host}: Machine\n" for host in ("builder", "ci", "client"))
    script = tmp_path / "script.py"
    script.write_text(text + OURS["scripts"][name])
    drivers = f"{library / 'test-driver'}:{library / 'test-driver/src'}"
    command = [sys.executable, "-m", "mypy", "--config-file=", "--ignore-missing-imports"]
    done = subprocess.run(
        [*command, "--follow-imports=silent", f"--cache-dir={tmp_path}", script],
        env=os.environ | {"MYPYPATH": drivers},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(NIXOS is None, reason="there is no NixOS")
def test_virtual_machines_have_what_they_need() -> None:
    nodes = MACHINES["nixos"]["nodes"]
    assert {name: node["failed"] for name, node in nodes.items() if node["failed"]} == {}
    assert len(nodes) == 8
