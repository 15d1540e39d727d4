"""What ``worker.tac`` does by itself: it ends after SIGHUP when nothing runs."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.processes import CHECKOUT


class StoppingClock(Clock):
    """A reactor that only tells time, and whether it was stopped."""

    stopped = False

    def stop(self) -> None:
        self.stopped = True


class Machine:
    """A machine with two workers, of which a test says what they run."""

    def __init__(self, tac: dict[str, Any], patience: int) -> None:
        self.slot = SimpleNamespace(protocol_command=None)
        idle = SimpleNamespace(protocol_command=None)
        workers = [
            SimpleNamespace(bot=SimpleNamespace(builders={"site/nix-eval": slot}))
            for slot in (idle, self.slot)
        ]
        self.clock = StoppingClock()
        self.drain = tac["Drain"](workers, patience)
        self.drain.look.clock = self.clock
        self.drain.begin.__globals__["reactor"] = self.clock

    def ends_after(self, seconds: int) -> bool:
        self.clock.pump([1] * seconds)
        return self.clock.stopped


@pytest.fixture
def tac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "password").write_text("hunter2")
    monkeypatch.setenv("WORKER_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("BUILDBOT_DIR", str(tmp_path / "slot"))
    monkeypatch.setenv("WORKER_COUNT", "1")
    return runpy.run_path(str(CHECKOUT / "python" / "worker.tac"))


def test_an_idle_machine_ends_after_a_moment(tac: dict[str, Any]) -> None:
    machine = Machine(tac, patience=1000)
    machine.drain.begin()
    assert not machine.ends_after(9)
    assert machine.ends_after(1)


def test_what_runs_is_waited_for_and_quiet_has_to_last(tac: dict[str, Any]) -> None:
    machine = Machine(tac, patience=1000)
    machine.slot.protocol_command = "nix-build"
    machine.drain.begin()
    assert not machine.ends_after(100)
    machine.slot.protocol_command = None
    assert not machine.ends_after(5)
    machine.slot.protocol_command = "nix-build"
    assert not machine.ends_after(100)
    machine.slot.protocol_command = None
    # A second signal changes nothing.
    machine.drain.begin()
    assert not machine.ends_after(9)
    assert machine.ends_after(1)


def test_patience_ends(tac: dict[str, Any]) -> None:
    machine = Machine(tac, patience=60)
    machine.slot.protocol_command = "nix-build"
    machine.drain.begin()
    assert not machine.ends_after(59)
    assert machine.ends_after(1)
