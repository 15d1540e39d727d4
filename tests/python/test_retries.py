"""What failed by the fault of its machine is tried again, and keeps no slot meanwhile."""

from __future__ import annotations

import pytest
from twisted.internet import defer
from twisted.internet.task import Clock

from buildbot_nix._native import BuildResult, Plan, Priority
from buildbot_nix.builds import Patience, Verdict
from buildbot_nix.feed import Feed, Slot
from buildbot_nix.slots import StoppedError

PASSING = Verdict(BuildResult.Transient, "the builder is away", may_pass=True)


class Other:
    """A run that always has a build, and notes when one starts."""

    project = "other"
    priority = Priority.Branch

    def __init__(self) -> None:
        self.started = 0
        self.wants = 1

    def start_one(self) -> bool:
        if self.wants == 0:
            return False
        self.wants -= 1
        self.started += 1
        return True


class Machine:
    """One slot, which a build has."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.feed = Feed(1, self.clock)
        source = Other()
        source.project = "ours"
        self.feed.offer(source)
        self.slot = Slot(self.feed, source)
        self.other = Other()
        self.feed.offer(self.other)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_who_rests_gives_its_slot_to_others(machine: Machine) -> None:
    rest = machine.slot.rest(60)
    assert machine.other.started == 1
    machine.clock.advance(60)
    assert not rest.called
    machine.feed.release(machine.other)
    assert rest.called
    # It has a slot again, so that nobody else begins.
    machine.other.wants = 1
    machine.feed.offer(machine.other)
    assert machine.other.started == 1
    machine.slot.release()
    machine.slot.release()
    assert machine.other.started == 2


@pytest.mark.parametrize("seconds", [10, 60])
def test_a_rest_can_be_cancelled_before_and_after_its_time(machine: Machine, seconds: int) -> None:
    rest = machine.slot.rest(60)
    machine.clock.advance(seconds)
    machine.slot.cancel()
    ended: list[object] = []
    rest.addErrback(ended.append)
    assert len(ended) == 1
    # It holds none, and waits for none.
    machine.slot.release()
    machine.other.wants = 2
    machine.feed.release(machine.other)
    assert machine.other.started == 2


def test_attempts_are_told_and_end(plan: Plan, machine: Machine) -> None:
    machine.other.wants = 0
    said: list[str] = []
    patience = Patience(plan, machine.slot)
    for pause in (15, 60, 240):
        going: defer.Deferred[bool] = patience.goes_on(PASSING, said.append)
        machine.clock.advance(pause - 1)
        assert not going.called
        machine.clock.advance(1)
        assert going.result is True
    last = patience.goes_on(PASSING, said.append)
    assert last.result is False
    assert said[:3] == [
        "Attempt 1 could not build it: the builder is away. This may pass: attempt 2 is in 15 s.",
        "Attempt 2:",
        "Attempt 2 could not build it: the builder is away. This may pass: attempt 3 is in 60 s.",
    ]


@pytest.mark.parametrize(
    "result", [BuildResult.Succeeded, BuildResult.Failed, BuildResult.Transient]
)
def test_what_does_not_pass_is_not_tried_again(
    plan: Plan, machine: Machine, result: BuildResult
) -> None:
    going = Patience(plan, machine.slot).goes_on(Verdict(result, "no"), lambda _: None)
    assert going.result is False


def test_who_is_stopped_makes_no_attempt(plan: Plan, machine: Machine) -> None:
    said: list[str] = []
    going = Patience(plan, machine.slot).goes_on(PASSING, said.append)
    machine.slot.cancel()
    failures: list[defer.Failure] = []
    going.addErrback(failures.append)
    assert failures[0].check(StoppedError)
    assert said[-1] == "Stopped while it waited for the next attempt."
