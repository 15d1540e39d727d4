"""Stage report: what happens to runs becomes statuses of their commits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

from buildbot.process.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
)
from buildbot.util import datetime2epoch
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.internet.base import DelayedCall
from twisted.internet.task import LoopingCall
from twisted.python import log

from buildbot_nix._native import (
    CommitStatuses,
    Ended,
    ForgeRepository,
    Plan,
    Project,
    StatusRow,
)
from buildbot_nix.amend import Amender
from buildbot_nix.outbox import Outbox, row_of
from buildbot_nix.run_events import (
    AttributeEnded,
    AttributeStarted,
    EvaluationEnded,
    RunEnded,
    RunEvent,
    RunEvents,
    RunHeld,
    RunLetGo,
    RunStarted,
)
from buildbot_nix.state import State
from buildbot_nix.state.outbox import CommitKey, OutboxTable, Status, Unfinished

#: Seconds that an event waits for others of its commit.
GATHER_SECONDS = 0.5
#: Seconds between looks for runs that ended without a word.
LOOK_SECONDS = 300
#: Seconds after which a run that has ended is one of these.
SILENCE_SECONDS = 30

RESULTS = {
    SUCCESS: Ended.Succeeded,
    WARNINGS: Ended.Warned,
    FAILURE: Ended.Failed,
    SKIPPED: Ended.Succeeded,
    EXCEPTION: Ended.Broken,
    RETRY: Ended.Again,
    CANCELLED: Ended.Cancelled,
}

#: Something that happens to the statuses of a commit.
Change = Callable[[CommitStatuses], None]


class Reporter(BuildbotService):
    """Listens to runs and fills the outbox."""

    SERVICE_NAME: ClassVar[str] = "nix-reporter"

    name = SERVICE_NAME

    def checkConfig(self, plan: Plan) -> None:
        pass

    @async_to_deferred
    async def reconfigService(self, plan: Plan) -> None:  # type: ignore[override]
        await super().reconfigService()
        if self.running:
            # A project may have had its last run.
            await self._write()
        self._plan = plan
        self._projects = {project.name: project for project in plan.projects}
        #: By the id of the builder that evaluates.
        self._builders: dict[int, Project] = {}

    @async_to_deferred
    async def startService(self) -> None:
        self._table = OutboxTable(State.find(self.master))
        self._began_at = time.time()
        self._changes: dict[tuple[CommitKey, str], list[Change]] = {}
        self._due: DelayedCall | None = None
        self._writing = defer.DeferredLock()
        await super().startService()
        self._unsubscribe = RunEvents.find(self.master).subscribe(self._hear)
        self._requests = await self.master.mq.startConsuming(
            self._hear_request, ("buildrequests", None, "new")
        )
        self._loop = LoopingCall(self._look)
        self._loop.clock = self.master.reactor
        self._loop.start(LOOK_SECONDS)

    @async_to_deferred
    async def stopService(self) -> None:
        self._loop.stop()
        self._requests.stopConsuming()
        self._unsubscribe()
        if self._due is not None and self._due.active():
            self._due.cancel()
        await self._write()
        await super().stopService()

    def _hear(self, event: RunEvent) -> None:
        about = event if isinstance(event, (RunHeld, RunLetGo)) else event.subject
        if about.revision is not None:
            self._add(about.project, about.revision, lambda it: happen(it, event))

    def _hear_request(self, _key: object, request: dict[str, Any]) -> None:
        self._wait(request).addErrback(
            lambda failure: log.err(failure, "while looking at a build request")
        )

    @async_to_deferred
    async def _wait(self, request: dict[str, Any]) -> None:
        """A run waits for a worker. Most do not for long, and nobody is told."""
        project = await self._evaluated_by(request["builderid"])
        if project is None or project.repository is None:
            return
        buildset = await self.master.data.get(("buildsets", request["buildsetid"]))
        number = request["buildrequestid"]
        url = f"{self.master.config.buildbotURL}#/buildrequests/{number}"
        for stamp in buildset["sourcestamps"]:
            if stamp["revision"]:
                self._add(project.name, stamp["revision"], lambda it: it.run_waits(number, 0, url))

    async def _evaluated_by(self, builder: int) -> Project | None:
        if not self._builders:
            find = self.master.data.updates.findBuilderId
            for project in self._projects.values():
                self._builders[await find(project.eval_builder)] = project
        return self._builders.get(builder)

    def _add(self, project: str, revision: str, change: Change) -> None:
        known = self._projects.get(project)
        repository = known.repository if known else None
        if repository is None:
            return
        commit = CommitKey(repository.forge.word, repository.full_name, revision)
        self._changes.setdefault((commit, project), []).append(change)
        if self._due is None or not self._due.active():
            self._due = self.master.reactor.callLater(GATHER_SECONDS, self._write_later)

    def _write_later(self) -> None:
        self._write().addErrback(lambda failure: log.err(failure, "while writing statuses"))

    @async_to_deferred
    async def _write(self) -> None:
        """All that was heard up to now is in the outbox afterwards."""
        await self._writing.acquire()
        try:
            changes, self._changes = self._changes, {}
            for (commit, project), of_commit in changes.items():
                try:
                    await self._write_commit(commit, project, of_commit)
                except Exception:
                    # Other commits are not to suffer; this one is looked at again later.
                    log.err(None, f"while writing the statuses of {commit}")
        finally:
            self._writing.release()

    async def _write_commit(self, commit: CommitKey, project: str, changes: list[Change]) -> None:
        repository = self._projects[project].repository
        assert repository is not None
        known = [row_of(status) for status in await self._table.of(commit)]
        statuses = CommitStatuses(self._plan, project, known)
        for change in changes:
            change(statuses)
        changed = [status_of(row, commit, project, repository) for row in statuses.changed()]
        await Outbox.find(self.master).tell(changed)

    @async_to_deferred
    async def _look(self) -> None:
        """Ends what has ended without a word: since the master died, or before it began."""
        try:
            # Services start in any order, and Buildbot ends what died when they have.
            await self.master.initLock.run(lambda: None)
            for unfinished in await self._table.unfinished():
                await self._look_at(unfinished)
        except Exception:
            log.err(None, "while looking for runs that have ended")

    async def _look_at(self, unfinished: Unfinished) -> None:
        commit, project, run = unfinished
        request = await self.master.data.get(("buildrequests", str(run)))
        if request is None:
            ended, text = Ended.Broken, "Its build is gone from the database"
        elif not request["complete"]:
            # It runs, or will.
            return
        elif self._may_be_told(datetime2epoch(request["complete_at"])):
            return
        else:
            ended, text = await self._end_of(request)
            # Of its attributes too, if it had some.
            await Amender.find(self.master).tell(run)
        self._add(project, commit.sha, lambda it: it.abandoned(run, ended, text))

    def _may_be_told(self, ended_at: float) -> bool:
        """Whether what ended then may be on its way: not if that was before this master began."""
        return ended_at > self._began_at and time.time() - ended_at < SILENCE_SECONDS

    async def _end_of(self, request: dict[str, Any]) -> tuple[Ended, str]:
        path = ("buildrequests", str(request["buildrequestid"]), "builds")
        builds = await self.master.data.get(path)
        if not builds:
            # Stopped while it waited, by somebody or by a newer commit.
            return Ended.Cancelled, "it was superseded or stopped before it began"
        return RESULTS[request["results"]], builds[-1]["state_string"]


def happen(statuses: CommitStatuses, event: RunEvent) -> None:
    """``event`` happens to ``statuses``."""
    if isinstance(event, RunHeld):
        return statuses.run_held(event.url)
    if isinstance(event, RunLetGo):
        return statuses.run_let_go(event.reason)
    subject = event.subject
    run, build, url = subject.request, subject.build, subject.url
    match event:
        case RunStarted():
            statuses.run_started(run, build, url)
        case EvaluationEnded():
            ended = RESULTS[event.results]
            statuses.evaluation_ended(run, build, url, ended, event.run, event.text)
        case AttributeStarted():
            statuses.attribute_started(run, build, url, event.name)
        case AttributeEnded():
            statuses.attribute_ended(
                run,
                event.build,
                event.url,
                RESULTS[event.results],
                event.name,
                event.text,
                event.is_rebuild,
            )
        case RunEnded():
            statuses.run_ended(
                run,
                build,
                url,
                RESULTS[event.results],
                event.run,
                event.text,
                event.stopped_because,
            )


def status_of(
    row: StatusRow, commit: CommitKey, project: str, repository: ForgeRepository
) -> Status:
    """A status that has changed, as it is kept."""
    return Status(
        **commit._asdict(),
        context=row.context,
        project=project,
        target=repository.stored(),
        state=row.state,
        description=row.description,
        url=row.url,
        run=row.run,
        build=row.build,
        page=row.page,
        standing=row.standing,
        changed_at=int(time.time()),
    )
