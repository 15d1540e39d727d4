"""Every run tells how it began and how it ended, whatever became of it."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from buildbot.process.buildstep import BuildStep
from buildbot.process.properties import Properties
from buildbot.process.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SUCCESS,
    WARNINGS,
)
from buildbot.test.fake import fakemaster, fakeprotocol
from buildbot.test.reactor import TestReactorMixin
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.run_events import (
    AttributeEnded,
    AttributeStarted,
    EvaluationEnded,
    RunEnded,
    RunEvents,
    RunStarted,
)
from buildbot_nix.runs import AttributeRebuild, EvaluationBuild, ToldBuild, ToldFactory
from buildbot_nix.steps.eval import EvaluateFlake

from .conftest import write_plan

SHA = "1" * 40


class FakeRequest:
    """As much of a build request as a build uses."""

    id = 31
    reason = "a push"

    def __init__(self) -> None:
        self.properties = Properties()
        self.sources: list[Any] = []

    def mergeSourceStampsWith(self, others: Any) -> list[Any]:
        return self.sources

    def mergeReasons(self, others: Any) -> str:
        return self.reason


class Step(BuildStep):
    """Ends as it is told, and finds ``SHA`` if it is to check out."""

    name = "git"
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, result: Any, text: str = "", found: str = "") -> None:
        super().__init__()
        self.result = result
        self.text = text
        self.found = found

    @async_to_deferred
    async def run(self) -> int:
        if self.found:
            self.setProperty("got_revision", self.found, "Git")
        if isinstance(self.result, Exception):
            raise self.result
        if isinstance(self.result, defer.Deferred):
            return await self.result  # type: ignore[no-any-return]
        return self.result  # type: ignore[no-any-return]

    @async_to_deferred
    async def interrupt(self, reason: Any) -> None:
        await super().interrupt(reason)
        self.result.callback(CANCELLED)

    def getResultSummary(self) -> dict[str, str]:
        return {"step": self.text, "build": self.text} if self.text else {"step": "done"}


class Evaluation(EvaluateFlake):
    """The same for the step that evaluates."""

    # Buildbot's fakes take no blanks.
    name = "evaluate"

    def __init__(self, plan: Any, project: Any, result: int) -> None:
        super().__init__(plan, project)
        self.result = result

    @async_to_deferred
    async def run(self) -> int:
        return self.result


class TestRuns(TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.plan = write_plan(Path(folder.name))
        [self.project] = self.plan.projects
        self.master = yield fakemaster.make_master(self, wantData=True, wantDb=True, wantMq=True)
        self.master.config.buildbotURL = "http://ci.example/"
        self.events: list[Any] = []
        RunEvents.find(self.master).subscribe(self.events.append)

    def begin(
        self, kind: type[ToldBuild], steps: Sequence[BuildStep], **properties: str
    ) -> ToldBuild:
        """Begins a build of these steps."""
        builder = mock.Mock(
            master=self.master, config=mock.Mock(env={}, tags=[], description="", project="")
        )
        builder.name = "site/nix-eval"
        builder.config.do_build_if = lambda _: True
        builder.getBuilderId = lambda: defer.succeed(83)
        builder.getBuilderIdForName = lambda _: defer.succeed(84)
        builder.find_project_id = lambda _: defer.succeed(1)
        build = ToldFactory(kind, self.project.name, steps).newBuild([FakeRequest()], builder)
        assert isinstance(build, ToldBuild)
        for name, value in properties.items():
            build.setProperty(name, value, "test")
        worker = mock.Mock(workerid=1, workername="farm-000", worker_basedir=None)
        worker.conn = fakeprotocol.FakeConnection(worker)
        worker.info = Properties()
        attached = mock.Mock(worker=worker)
        attached.substantiate_if_needed = lambda _: defer.succeed(True)
        attached.ping = lambda: defer.succeed(True)
        build.startBuild(attached)
        self.reactor.advance(1)
        return build

    def run_of(self, *steps: BuildStep, **properties: str) -> list[Any]:
        """The events of a run."""
        self.begin(EvaluationBuild, steps, **properties)
        return self.events

    def test_success(self) -> None:
        evaluation = Evaluation(self.plan, self.project, WARNINGS)
        events = self.run_of(Step(SUCCESS), evaluation, Step(SUCCESS), revision=SHA, branch="main")
        assert [type(event) for event in events] == [RunStarted, EvaluationEnded, RunEnded]
        subject = events[0].subject
        assert (subject.project, subject.revision, subject.branch) == ("site", SHA, "main")
        assert (subject.request, subject.url) == (31, "http://ci.example/#/builders/83/builds/1")
        assert events[1].results == WARNINGS
        assert (events[2].results, events[2].stopped_because) == (SUCCESS, None)

    def test_what_cannot_be_merged(self) -> None:
        events = self.run_of(Step(FAILURE, "cannot be merged into main"), revision=SHA)
        assert [type(event) for event in events] == [RunStarted, RunEnded]
        assert (events[1].results, events[1].text) == (FAILURE, "cannot be merged into main")

    def test_a_step_that_raises(self) -> None:
        events = self.run_of(Step(RuntimeError("oh")), revision=SHA)
        assert events[-1].results == EXCEPTION
        assert len(self.flushLoggedErrors(RuntimeError)) == 1

    def test_the_checkout_finds_the_revision(self) -> None:
        events = self.run_of(Step(SUCCESS, found=SHA))
        assert [type(event) for event in events] == [RunStarted, RunEnded]
        assert {event.subject.revision for event in events} == {SHA}

    def test_no_revision_at_all(self) -> None:
        [ended] = self.run_of(Step(FAILURE, "there is no branch nope"))
        assert (ended.subject.revision, ended.results) == (None, FAILURE)

    def test_somebody_stops_it(self) -> None:
        build = self.begin(EvaluationBuild, [Step(defer.Deferred())], revision=SHA)
        build.stopBuild("a newer commit")
        self.reactor.advance(1)
        [_, ended] = self.events
        assert (ended.results, ended.stopped_because) == (CANCELLED, "a newer commit")

    def test_the_worker_is_lost(self) -> None:
        build = self.begin(EvaluationBuild, [Step(defer.Deferred())], revision=SHA)
        build.lostRemote()
        self.reactor.advance(1)
        [_, ended] = self.events
        assert ended.results == RETRY

    def test_an_attribute_again(self) -> None:
        name = "github:site#checks.a"
        self.begin(
            AttributeRebuild,
            [Step(FAILURE, "exit code 1")],
            revision=SHA,
            attr="a",
            virtual_builder_name=name,
        )
        [started, ended] = self.events
        assert (started.attr, started.name) == ("a", name)
        assert isinstance(ended, AttributeEnded)
        assert (ended.name, ended.results, ended.text) == (name, FAILURE, "exit code 1")
        assert (ended.url, ended.is_rebuild) == ("http://ci.example/#/builders/84/builds/1", True)

    def test_a_builder_that_is_started_by_hand_builds_nothing(self) -> None:
        self.begin(AttributeRebuild, [Step(EXCEPTION, "no derivation")], revision=SHA)
        assert self.events == []


class TestEvents(unittest.TestCase):
    def test_who_fails_to_listen_harms_nobody(self) -> None:
        events = RunEvents.find(SimpleNamespace())  # type: ignore[arg-type]
        heard: list[object] = []
        events.subscribe(lambda _: 1 / 0)
        unsubscribe = events.subscribe(heard.append)
        event: Any = AttributeStarted(subject=None, attr="a", name="a")  # type: ignore[arg-type]
        events.emit(event)
        unsubscribe()
        events.emit(event)
        assert heard == [event]
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 2
