"""A machine builds as much as it has slots, the most urgent first, projects in turn."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from buildbot_nix._native import Priority
from buildbot_nix.feed import Feed


class FakeRun:
    """A run with ``jobs`` ready builds; notes its starts in ``journal``."""

    def __init__(
        self, name: str, jobs: int, journal: list[str], priority: Priority = Priority.Branch
    ) -> None:
        self.name = self.project = name
        self.priority = priority
        self.jobs = jobs
        self.journal = journal

    def start_one(self) -> bool:
        if self.jobs == 0:
            return False
        self.jobs -= 1
        self.journal.append(self.name)
        return True


def test_no_more_than_the_capacity_is_requested() -> None:
    journal: list[str] = []
    feed = Feed(slots=2)
    run = FakeRun("a", 10, journal)
    feed.offer(run)
    assert journal == ["a"] * 2
    feed.release(run)
    assert journal == ["a"] * 3


def test_runs_take_turns() -> None:
    journal: list[str] = []
    feed = Feed(slots=4)
    first = FakeRun("a", 100, journal)
    feed.offer(first)
    assert journal == ["a"] * 4
    second = FakeRun("b", 100, journal)
    feed.offer(second)
    for _ in range(4):
        feed.release(first)
    assert sorted(journal[4:]) == ["a", "a", "b", "b"]


def test_a_run_with_nothing_ready_is_asked_again_when_it_offers() -> None:
    journal: list[str] = []
    feed = Feed(slots=1)
    run = FakeRun("a", 0, journal)
    feed.offer(run)
    run.jobs = 1
    feed.offer(run)
    assert journal == ["a"]


def test_a_withdrawn_run_is_not_asked_again() -> None:
    journal: list[str] = []
    feed = Feed(slots=1)
    run = FakeRun("a", 3, journal)
    feed.offer(run)
    feed.withdraw(run)
    other = FakeRun("b", 1, journal)
    feed.offer(other)
    assert journal == ["a"]
    feed.release(run)
    assert journal == ["a", "b"]


def test_more_slots_are_filled_at_once() -> None:
    journal: list[str] = []
    feed = Feed(slots=1)
    feed.offer(FakeRun("a", 10, journal))
    feed.set_slots(4)
    assert len(journal) == 4


def test_who_asks_by_hand_is_next() -> None:
    journal: list[str] = []
    feed = Feed(slots=1)
    run = FakeRun("a", 10, journal)
    feed.offer(run)
    place = feed.enter("p")
    gone = feed.enter("p")
    gone.addErrback(lambda failure: failure.trap(CancelledError))
    gone.cancel()
    assert not place.called
    feed.release(run)
    assert (place.called, journal) == (True, ["a"])
    feed.release(place)
    assert journal == ["a", "a"]


def test_the_urgent_are_first_but_not_always() -> None:
    journal: list[str] = []
    feed = Feed(slots=0)
    feed.offer(FakeRun("push", 100, journal))
    feed.offer(FakeRun("pull", 100, journal, Priority.PullRequest))
    feed.offer(FakeRun("queue", 3, journal, Priority.MergeQueue))
    feed.set_slots(8)
    assert journal == ["queue"] * 3 + ["push"] + ["pull"] * 3 + ["push"]


def test_a_build_that_ends_at_once_leaves_its_slot() -> None:
    journal: list[str] = []
    feed = Feed(slots=1)

    class Instant(FakeRun):
        def start_one(self) -> bool:
            started = super().start_one()
            if started:
                feed.release(self)
            return started

    feed.offer(Instant("a", 3, journal))
    feed.offer(FakeRun("b", 3, journal))
    assert journal == ["a"] * 3 + ["b"]
