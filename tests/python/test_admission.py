"""Evaluations run within the places of a machine, projects in turn, newest first."""

from __future__ import annotations

from twisted.internet import defer

from buildbot_nix.admission import Admission


class Journal:
    """Notes who was admitted, in order."""

    def __init__(self, places: int) -> None:
        self.admission = Admission(places)
        self.admitted: list[str] = []

    def enter(self, project: str, name: str) -> defer.Deferred[None]:
        place = self.admission.enter(project)
        place.addCallbacks(
            lambda _: self.admitted.append(name),
            lambda failure: failure.trap(defer.CancelledError),
        )
        return place


def test_projects_take_turns_and_the_newest_comes_first() -> None:
    journal = Journal(1)
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        journal.enter(name[0], name)
    for _ in range(6):
        journal.admission.leave()
    assert journal.admitted == ["a1", "a3", "b2", "c1", "a2", "b1"]


def test_no_more_run_than_there_are_places() -> None:
    journal = Journal(2)
    for name in ("a1", "b1", "c1"):
        journal.enter(name[0], name)
    assert journal.admitted == ["a1", "b1"]
    assert journal.admission.waiting == 1
    journal.admission.set_places(3)
    assert journal.admitted == ["a1", "b1", "c1"]


def test_who_gives_up_waiting_takes_no_place() -> None:
    journal = Journal(1)
    journal.enter("a", "a1")
    waiting = journal.enter("a", "a2")
    journal.enter("b", "b1")
    waiting.cancel()
    journal.admission.leave()
    journal.admission.leave()
    assert journal.admitted == ["a1", "b1"]
    assert journal.admission.waiting == 0
