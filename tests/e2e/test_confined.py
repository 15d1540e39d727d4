"""A master and a worker do with the system calls that the units of the NixOS modules leave them."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.confined import Confinement
from tests.instance import MASTER, Instance
from tests.nixos.machines import evaluate
from tests.processes import Process
from tests.repository import flake

WHY_NOT = Confinement.why_not()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=f"{WHY_NOT}")


@pytest.fixture(scope="module")
def units() -> dict[str, Confinement]:
    """Both services of the smallest example."""
    found = evaluate()["examples"]["poller"]["units"]
    names = ("buildbot-master", "buildbot-worker")
    return {name: Confinement(found[name]["serviceConfig"]) for name in names}


def test_a_call_too_many_is_the_end(units: dict[str, Confinement]) -> None:
    command = units["buildbot-master"].command(["mount", "/nowhere", "/nowhere"])
    assert subprocess.run(command, check=False).returncode == -signal.SIGSYS


def test_services_need_no_more_calls_than_they_have(units: dict[str, Confinement]) -> None:
    class Master(Instance):
        def launch(self) -> None:
            command = units["buildbot-master"].command(MASTER)
            output = self.folder / "master.out"
            self.master = Process(command, output=output, cwd=self.master_folder, env=self.env)

    with Master("confined") as master:
        repository = master.repository("site", flake('a = drv "a" "echo > $out" {};'))
        master.settings["eval_sandbox"] = "required"
        master.start()
        worker = master.start_worker(host=units["buildbot-worker"])
        build = master.wait_for_build("site", repository.head())
        assert build.result == "success"
        assert worker.process.exit_status is None
