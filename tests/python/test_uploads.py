"""When uploads begin, and who is told how they end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet import defer
from twisted.internet.task import Clock

from buildbot_nix.uploads import (
    ATTEMPT,
    GATHER_SECONDS,
    RETRY_SECONDS,
    START_SECONDS,
    Uploads,
)


class FakeScheduler:
    """Notes the attempts that it is asked for."""

    def __init__(self) -> None:
        self.attempts: list[int] = []

    def trigger(self, waited_for: bool, *, set_props: Any) -> tuple[Any, Any]:
        self.attempts.append(set_props.getProperty(ATTEMPT))
        return defer.succeed(None), defer.succeed(None)


class Master:
    """As much of one as matters, with a machine called ``farm``."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.scheduler = FakeScheduler()
        self.uploads = Uploads(schedulers={"farm": "upload"})
        services = SimpleNamespace(namedServices={"upload": self.scheduler})
        self.uploads.parent = cast(
            Any, SimpleNamespace(reactor=self.clock, scheduler_manager=services)
        )
        self.uploads.parent.master = self.uploads.parent
        self.uploads.reconfigService(schedulers={"farm": "upload"})

    @property
    def attempts(self) -> list[int]:
        return self.scheduler.attempts


@pytest.fixture
def master() -> Master:
    return Master()


def test_results_gather(master: Master) -> None:
    for _ in range(3):
        master.uploads.wake("farm")
        master.clock.advance(GATHER_SECONDS / 3)
    assert master.attempts == [0]
    master.clock.advance(2 * GATHER_SECONDS)
    assert master.attempts == [0]


def test_what_an_earlier_master_left_is_uploaded(master: Master) -> None:
    master.uploads.startService()
    master.clock.advance(START_SECONDS)
    assert master.attempts == [0]


def test_what_fails_is_tried_again_later_each_time(master: Master) -> None:
    pauses = []
    for _ in range(7):
        waiting = master.uploads.begun("farm")
        pause = master.uploads.ended("farm", waiting, ["ours: HTTP 500"])
        assert pause is not None
        pauses.append(pause)
        master.clock.advance(pause)
    assert tuple(pauses[:5]) == RETRY_SECONDS and set(pauses[5:]) == {RETRY_SECONDS[-1]}
    assert master.attempts == [1, 2, 3, 4, 5, 6, 7]
    assert master.uploads.ended("farm", [], []) is None
    master.uploads.wake("farm")
    master.clock.advance(GATHER_SECONDS)
    assert master.attempts[-1] == 0


def test_something_new_does_not_wait_for_the_next_attempt(master: Master) -> None:
    for _ in range(4):
        master.uploads.ended("farm", [], ["dead"])
    master.uploads.wake("farm")
    master.clock.advance(GATHER_SECONDS)
    assert master.attempts == [4]


def test_who_waits_is_told_of_the_next_one_that_begins(master: Master) -> None:
    told: list[list[str]] = []
    going_on = master.uploads.begun("farm")
    master.uploads.flush("farm").addCallback(told.append)
    master.clock.advance(0)
    assert master.attempts == [0]
    # It began before, and may not have seen what is to be uploaded.
    master.uploads.ended("farm", going_on, [])
    assert told == []
    waiting = master.uploads.begun("farm")
    master.uploads.ended("farm", waiting, ["ours: HTTP 500"])
    assert told == [["ours: HTTP 500"]]


def test_what_built_nothing_need_not_wait(master: Master) -> None:
    def awaited() -> bool:
        return master.uploads.is_awaited("farm")

    assert not awaited()
    master.uploads.wake("farm")
    assert awaited()
    waiting = master.uploads.begun("farm")
    assert awaited()
    master.uploads.ended("farm", waiting, [])
    assert not awaited()
    master.uploads.ended("farm", [], ["ours: HTTP 500"])
    assert awaited()
    assert not master.uploads.is_awaited("elsewhere")


def test_a_machine_that_is_gone_has_nothing(master: Master) -> None:
    master.uploads.wake("elsewhere")
    assert master.uploads.begun("elsewhere") == []
    assert master.uploads.ended("elsewhere", [], ["x"]) is None
    assert master.clock.getDelayedCalls() == []
