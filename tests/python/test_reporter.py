"""What happens to runs is told to their forge."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from buildbot.process.results import CANCELLED, FAILURE, RETRY, SKIPPED, SUCCESS
from buildbot.test import fakedb
from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix._native import BuildResult, Run
from buildbot_nix.amend import Amender
from buildbot_nix.outbox import Outbox
from buildbot_nix.reporter import LOOK_SECONDS, Reporter
from buildbot_nix.run_events import (
    AttributeEnded,
    AttributeStarted,
    EvaluationEnded,
    RunEnded,
    RunEvents,
    RunHeld,
    RunLetGo,
    RunStarted,
    Subject,
)
from buildbot_nix.state import JobSet, JobSets, State
from buildbot_nix.state.job_sets import pack
from buildbot_nix.state.outbox import CommitKey, Letter, OutboxTable

from .forge_plans import forge_plan, repository

SHA = "1" * 40
PAGE = "http://ci.example/#/builders/83/builds/1"
DRV = "/nix/store/{}-a.drv"
EVAL, BUILD = "buildbot/nix-eval", "buildbot/nix-build"


def lines(*found: dict[str, Any]) -> bytes:
    """What the agent says of an evaluation that has found this."""
    start = {"type": "start", "version": 1, "engine": "nix", "engineVersion": "2"}
    start |= {"attribute": "checks", "flakeDir": ".", "systems": []}
    done = {"type": "done", "jobs": len(found), "failed": 0}
    return b"".join(json.dumps(line).encode() + b"\n" for line in (start, *found, done))


def run_of(result: str | None) -> Run:
    """A run with one attribute ``a`` whose build ended so, or is not begun."""
    run = Run()
    job = {"type": "job", "attr": "a", "attrPath": ["a"], "name": "a", "system": "x86_64-linux"}
    job |= {"drvPath": DRV.format("a" * 32), "outputs": {"out": None}, "cacheStatus": "notBuilt"}
    run.feed(lines(job))
    run.end_of_evaluation(0)
    if result is not None:
        [ready] = run.take_ready(1)
        run.finish(ready.index, getattr(BuildResult, result), "exit code 1", None)
    return run


class TestReporter(TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # Of one name, so that the second project has another.
        repositories = repository(), repository("gitea", number=19)
        self.plan = forge_plan(Path(folder.name), *repositories)
        self.projects = {
            project.repository.forge.word: project.name
            for project in self.plan.projects
            if project.repository
        }
        self.virtual_name = f"github:{self.projects['github']}#checks.a"
        self.context = f"buildbot/nix-build {self.virtual_name}"
        self.master = yield fakemaster.make_master(self, wantDb=True, wantMq=True, wantData=True)
        self.master.config.buildbotURL = "http://ci.example/"
        self.table = OutboxTable(State.find(self.master))
        self.letters: list[Letter] = []
        self.patch(Outbox, "postman", lambda _: self.post)
        self.outbox = Outbox(name=Outbox.SERVICE_NAME)
        yield self.outbox.setServiceParent(self.master)
        self.master.service_manager = self.master
        yield Amender(name=Amender.SERVICE_NAME).setServiceParent(self.master)
        self.reporter = Reporter(plan=self.plan)
        yield self.reporter.setServiceParent(self.master)
        yield self.master.startService()
        self.addCleanup(self.master.stopService)
        self.events = RunEvents.find(self.master)

    def post(self, letter: Letter) -> int | None:
        self.letters.append(letter)
        return None

    def subject(self, request: int = 31, project: str = "") -> Subject:
        project = project or self.projects["github"]
        return Subject(project, SHA, "main", request, 100 + request, PAGE)

    def told(self) -> list[tuple[str, str, str]]:
        """What was sent since this was called last."""
        self.reactor.pump([0.6, 0.1])
        letters, self.letters = self.letters, []
        return [(it.status.context, it.status.state, it.status.description) for it in letters]

    def test_what_waits_for_approval(self) -> None:
        project = self.projects["github"]
        waiting = "Waiting for approval: a member comments /build, or builds it here."
        self.events.emit(RunHeld(project, SHA, PAGE))
        assert self.told() == [(EVAL, "pending", waiting)]
        # It goes on waiting, although no run of it is known.
        self.reactor.pump([LOOK_SECONDS, 1])
        assert self.told() == []
        self.events.emit(RunLetGo(project, SHA, "it was closed"))
        assert self.told() == [(EVAL, "cancelled", "Cancelled: it was closed")]
        self.events.emit(RunHeld(project, SHA, PAGE))
        self.events.emit(RunStarted(self.subject()))
        assert self.told() == [(EVAL, "pending", "Build started.")]

    def test_a_run(self) -> None:
        self.events.emit(RunStarted(self.subject()))
        assert self.told() == [(EVAL, "pending", "Build started.")]
        run = run_of("Failed")
        self.events.emit(EvaluationEnded(self.subject(), SUCCESS, run, "1 attribute"))
        assert self.told() == [
            (BUILD, "pending", "Build started."),
            (EVAL, "success", "1 attribute"),
        ]
        ended = AttributeEnded(
            self.subject(),
            400,
            "a",
            self.virtual_name,
            FAILURE,
            "exit code 1",
            "http://ci.example/#/builders/84/builds/1",
            False,
        )
        self.events.emit(ended)
        self.events.emit(RunEnded(self.subject(), FAILURE, run, "1 failed", None, 2.5))
        assert self.told() == [
            (BUILD, "failure", "1 failed"),
            (self.context, "failure", "exit code 1"),
        ]

    def test_what_follows_at_once_is_told_once(self) -> None:
        self.events.emit(RunStarted(self.subject()))
        text = "cannot be merged into main"
        self.events.emit(RunEnded(self.subject(), FAILURE, None, text, None, 2.5))
        assert self.told() == [(EVAL, "failure", text)]

    @defer.inlineCallbacks
    def test_links_lead_to_the_attribute(self) -> Generator[Any, Any, None]:
        url = "http://ci.example/#/builders/84/builds/1"
        self.events.emit(
            AttributeEnded(
                self.subject(), 400, "a", self.virtual_name, FAILURE, "exit code 1", url, False
            )
        )
        self.told()
        [status] = yield self.table.of(CommitKey("github", "team/site", SHA))
        assert (status.url, status.build, status.run) == (url, 400, 31)

    def test_a_rebuild(self) -> None:
        self.events.emit(RunEnded(self.subject(), FAILURE, run_of("Failed"), "", None, 2.5))
        self.told()
        self.events.emit(AttributeStarted(self.subject(40), "a", self.virtual_name))
        assert self.told() == [(self.context, "pending", "Build started.")]
        ended = AttributeEnded(
            self.subject(40), 140, "a", self.virtual_name, SUCCESS, "good", PAGE, True
        )
        self.events.emit(ended)
        assert self.told() == [
            (BUILD, "success", "1 built"),
            (self.context, "success", "Build done."),
        ]

    def test_a_stop(self) -> None:
        self.events.emit(RunStarted(self.subject()))
        self.events.emit(RunEnded(self.subject(), CANCELLED, None, "", "a newer commit", 2.5))
        assert self.told() == [(EVAL, "cancelled", "Cancelled: a newer commit")]

    def test_projects_without_a_forge_are_not_told(self) -> None:
        self.events.emit(RunStarted(self.subject(project="polled")))
        assert self.told() == []

    @defer.inlineCallbacks
    def test_equal_commits_and_names_on_two_forges(self) -> Generator[Any, Any, None]:
        self.events.emit(RunStarted(self.subject()))
        self.events.emit(RunStarted(self.subject(32, self.projects["gitea"])))
        self.told()
        for forge, number in (("github", 17), ("gitea", 19)):
            [status] = yield self.table.of(CommitKey(forge, "team/site", SHA))
            assert status.project == self.projects[forge]
            assert json.loads(status.target)["id"] == number

    @defer.inlineCallbacks
    def insert(self, **request: Any) -> Generator[Any, Any, None]:
        yield self.master.db.insert_test_data(
            [
                fakedb.Master(id=88),
                fakedb.Worker(id=47, name="farm"),
                fakedb.Builder(id=83, name="team/site/nix-eval"),
                fakedb.SourceStamp(id=234, revision=SHA, project="team/site"),
                fakedb.Buildset(id=8822),
                fakedb.BuildsetSourceStamp(buildsetid=8822, sourcestampid=234),
                fakedb.BuildRequest(id=31, builderid=83, buildsetid=8822, **request),
            ]
        )

    @defer.inlineCallbacks
    def test_what_waits_is_told(self) -> Generator[Any, Any, None]:
        yield self.insert()
        request = yield self.master.data.get(("buildrequests", "31"))
        # They are those of an older Buildbot.
        self.master.mq.verifyMessages = False
        self.master.mq.callConsumer(("buildrequests", "31", "new"), request)
        assert self.told() == [(EVAL, "pending", "Waiting for a worker.")]

    @defer.inlineCallbacks
    def test_who_died_with_the_master(self) -> Generator[Any, Any, None]:
        self.events.emit(RunStarted(self.subject()))
        self.told()
        yield self.insert_failed()
        self.reactor.advance(LOOK_SECONDS)
        assert self.told() == [(EVAL, "failure", "3 failed, 12 built")]

    @defer.inlineCallbacks
    def test_who_died_is_told_with_its_attributes(self) -> Generator[Any, Any, None]:
        self.events.emit(RunStarted(self.subject()))
        self.told()
        failed = {"type": "failed", "attr": "a", "attrPath": ["a"], "error": "error: boom"}
        job_set = JobSet(
            request=31,
            project=self.projects["github"],
            build=131,
            machine="farm",
            properties={"got_revision": SHA},
            lost=None,
            slices=1,
            stored_at=1000,
            ended_at=None,
        )
        job_sets = JobSets(State.find(self.master))
        yield job_sets.store(job_set, [pack(lines(failed))])
        yield self.insert_failed()
        self.reactor.advance(LOOK_SECONDS)
        assert sorted(self.told()) == [
            (BUILD, "failure", "1 failed to evaluate"),
            (self.context, "failure", "error: boom"),
            (EVAL, "failure", "0 attributes, 1 failed to evaluate"),
        ]
        assert (yield job_sets.unfinished()) == []

    @defer.inlineCallbacks
    def insert_failed(self) -> Generator[Any, Any, None]:
        """The run has ended."""
        yield self.insert(complete=1, results=FAILURE, complete_at=1000)
        yield self.master.db.insert_test_data(
            [
                fakedb.Build(
                    id=131,
                    number=1,
                    builderid=83,
                    buildrequestid=31,
                    workerid=47,
                    masterid=88,
                    results=FAILURE,
                    state_string="3 failed, 12 built",
                )
            ]
        )

    @defer.inlineCallbacks
    def test_who_was_never_begun(self) -> Generator[Any, Any, None]:
        self.events.emit(RunStarted(self.subject()))
        self.told()
        yield self.insert(complete=1, results=SKIPPED, complete_at=1000)
        self.reactor.advance(LOOK_SECONDS)
        text = "Cancelled: it was superseded or stopped before it began"
        assert self.told() == [(EVAL, "cancelled", text)]

    @defer.inlineCallbacks
    def test_who_is_begun_once_more_goes_on(self) -> Generator[Any, Any, None]:
        self.events.emit(RunStarted(self.subject()))
        self.events.emit(RunEnded(self.subject(), RETRY, None, "", None, 2.5))
        yield self.insert(complete=0)
        assert self.told() == [(EVAL, "pending", "Waiting to be started again.")]
        self.reactor.advance(LOOK_SECONDS)
        assert self.told() == []

    @defer.inlineCallbacks
    def test_what_was_heard_is_kept_when_the_master_stops(self) -> Generator[Any, Any, None]:
        self.events.emit(RunStarted(self.subject()))
        yield self.reporter.disownServiceParent()
        [status] = yield self.table.of(CommitKey("github", "team/site", SHA))
        assert status.state == "pending"
