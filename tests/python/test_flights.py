"""What another run builds is waited for."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet import defer

from buildbot_nix._native import BuildResult, Finding, Job, Priority
from buildbot_nix.builds import AttributeBuilds
from buildbot_nix.driver import RunDriver
from buildbot_nix.flights import Flights
from buildbot_nix.machines import Machine
from buildbot_nix.verdicts import FailedBuild, Verdict

SUCCEEDED = Verdict(BuildResult.Succeeded)
FAILED = Verdict(BuildResult.Failed, "exit code 1", f"/nix/store/{'a' * 32}-a.drv")


class FakeBuilds:
    """Builds that end when the test says so."""

    def __init__(self) -> None:
        self.running: list[defer.Deferred[Verdict]] = []
        self.taken_over: list[str] = []

    def run(self, job: Job, attribute: str, slot: Any, begun: Any) -> defer.Deferred[Verdict]:
        begun(self._record())
        end: defer.Deferred[Verdict] = defer.Deferred()
        self.running.append(end)
        return end

    def end(self, verdict: Verdict) -> None:
        """The build that runs ends so."""
        [running] = self.running
        self.running.clear()
        running.callback(verdict)

    def take_over(self, job: Job, attribute: str, failed: FailedBuild) -> tuple[Verdict, Any]:
        self.taken_over.append(job.attr)
        return failed.for_others(), self._record()

    async def settled(self) -> None:
        pass

    def url(self, record: Any) -> str:
        return "http://ci.example/"

    def tell(self, record: Any) -> None:
        pass

    def stop(self, reason: str) -> None:
        if self.running:
            self.end(Verdict(BuildResult.Cancelled))

    def _record(self) -> Any:
        return SimpleNamespace(written=defer.Deferred())


def run_of(machine: Machine, needing: bool = False) -> tuple[RunDriver, FakeBuilds]:
    """A run whose attribute ``a`` is a derivation that all have; ``needing`` has one above."""
    builds = FakeBuilds()
    driver = RunDriver(cast(AttributeBuilds, builds), machine, "p", Priority.Branch)
    drvs = [f"/nix/store/{letter * 32}-{letter}.drv" for letter in "ab"]
    for letter, drv, needs in [("a", drvs[0], []), ("b", drvs[1], drvs[:1])][: 1 + needing]:
        job: dict[str, object] = {
            "type": "job",
            "attr": letter,
            "attrPath": [letter],
            "name": letter,
        }
        job |= {"system": "x86_64-linux", "drvPath": drv, "outputs": {"out": None}}
        job |= {"cacheStatus": "notBuilt", "needs": needs}
        driver.take_output(json.dumps(job).encode() + b"\n")
    driver.take_output(b'{"type": "done", "jobs": 1, "failed": 0}\n')
    driver.evaluation_ended(0)
    return driver, builds


@pytest.fixture
def machine() -> Machine:
    """A machine with two slots."""
    made = Machine()
    made.feed.set_slots(2)
    return made


def test_a_success_is_had_by_building_again(machine: Machine) -> None:
    first, building = run_of(machine)
    second, waiting = run_of(machine)
    assert (len(building.running), len(waiting.running)) == (1, 0)
    building.end(SUCCEEDED)
    assert (first.finished.called, second.finished.called) == (True, False)
    waiting.end(SUCCEEDED)
    assert second.finished.called
    assert second.run.finding == Finding.Succeeded


def test_a_failure_is_shared_with_all_that_needs_it(machine: Machine) -> None:
    _, building = run_of(machine)
    others = [run_of(machine), run_of(machine)]
    building.end(FAILED)
    for driver, waiting in others:
        assert (waiting.running, waiting.taken_over) == ([], ["a"])
        assert driver.finished.called
        assert driver.run.finding == Finding.Failed


@pytest.mark.parametrize("result", [BuildResult.Transient, BuildResult.Cancelled])
def test_what_says_nothing_of_the_derivation_is_tried_again(
    machine: Machine, result: BuildResult
) -> None:
    _, building = run_of(machine)
    others = [run_of(machine), run_of(machine)]
    building.end(Verdict(result))
    # One builds, and the other waits for it.
    assert [len(waiting.running) for _, waiting in others] == [1, 0]
    others[0][1].end(FAILED)
    assert others[1][1].taken_over == ["a"]


def test_who_waits_can_be_cancelled(machine: Machine) -> None:
    first, building = run_of(machine)
    second, waiting = run_of(machine, needing=True)
    second.cancel("enough")
    assert second.finished.called
    assert second.run.finding == Finding.Cancelled
    building.end(FAILED)
    assert first.finished.called
    assert waiting.taken_over == []


def test_the_builder_can_be_cancelled(machine: Machine) -> None:
    first, building = run_of(machine)
    second, waiting = run_of(machine)
    first.cancel("enough")
    assert first.finished.called and building.running == []
    waiting.end(SUCCEEDED)
    assert second.run.finding == Finding.Succeeded


def test_cancelled_between_landing_and_its_own_build() -> None:
    machine = Machine()
    _, building = run_of(machine)
    other = run_of(machine, needing=True)[0]
    machine.feed.set_slots(0)
    building.end(SUCCEEDED)
    other.cancel("enough")
    assert other.finished.called
    assert other.run.finding == Finding.Cancelled


def test_one_job_that_waits_is_cancelled(machine: Machine) -> None:
    first, building = run_of(machine)
    second, waiting = run_of(machine, needing=True)
    assert not first.cancel_job("a", "it runs")
    assert second.run.summary() == "2 waiting"
    assert second.cancel_job("b", "too large")
    assert not second.cancel_job("b", "too large")
    assert second.run.summary() == "1 cancelled, 1 waiting"
    assert not second.finished.called
    assert second.cancel_job("a", "too large")
    assert second.finished.called
    assert second.run.finding == Finding.Cancelled
    building.end(SUCCEEDED)
    assert first.run.finding == Finding.Succeeded
    assert waiting.running == []


def test_one_job_is_cancelled_between_landing_and_its_own_build() -> None:
    machine = Machine()
    _, building = run_of(machine)
    other, waiting = run_of(machine)
    machine.feed.set_slots(0)
    building.end(SUCCEEDED)
    assert other.cancel_job("a", "too large")
    assert other.finished.called
    machine.feed.set_slots(2)
    assert waiting.running == []


def test_waiting_keeps_no_slot() -> None:
    journal: list[str] = []

    class Other:
        project = "q"
        priority = Priority.Branch

        def start_one(self) -> bool:
            if journal:
                return False
            journal.append("other")
            return True

    machine = Machine()
    machine.feed.set_slots(2)
    run_of(machine)
    run_of(machine)
    machine.feed.offer(Other())
    assert journal == ["other"]


def test_one_that_gives_up_leaves_the_others_waiting() -> None:
    flights: Flights[str] = Flights()
    flights.begin("drv")
    gone, kept = flights.wait("drv"), flights.wait("drv")
    cancelled: list[object] = []
    gone.addErrback(cancelled.append)
    told: list[str | None] = []
    kept.addCallback(told.append)
    gone.cancel()
    flights.end("drv", "no")
    assert (len(cancelled), told, "drv" in flights) == (1, ["no"], False)
