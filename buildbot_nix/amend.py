"""What came of a run, told anew when one of its attributes was built again.

Somebody who sees one failure and has it built again wants the whole to be fine by that: what was
not built because of it, the page of the evaluation, its result, and what forges are told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa
from buildbot.db.model import Model
from buildbot.master import BuildMaster
from buildbot.process.results import CANCELLED, FAILURE, RETRY, SUCCESS, WARNINGS
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection
from twisted.internet import defer
from twisted.python import log

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Finding, Run
from buildbot_nix.continuation import replay
from buildbot_nix.driver import RunDriver
from buildbot_nix.records.past import PastBuild, PastRecord, past_builds, properties_of
from buildbot_nix.records.rows import rewrite_log
from buildbot_nix.run_events import AttributeEnded, RunEnded, RunEvent, RunEvents, Subject
from buildbot_nix.state import JobSet, JobSets, State
from buildbot_nix.steps.trigger import RESULTS, SUMMARY, BuildFlake

#: Results of evaluations that what their attributes come to may change.
AMENDED = (SUCCESS, WARNINGS, FAILURE, CANCELLED)


@dataclass(frozen=True, slots=True)
class Parent:
    """The last build of the evaluation that an attribute belongs to."""

    build: int
    request: int
    builder: int
    number: int
    results: int | None
    #: One line for people.
    text: str
    branch: str | None


class Amender(BuildbotService):
    """Keeps what is known of runs true, until their job sets are deleted."""

    SERVICE_NAME: ClassVar[str] = "nix-amender"

    name = SERVICE_NAME

    @classmethod
    def find(cls, master: BuildMaster) -> Amender:
        """That of ``master``."""
        amender: Amender = master.service_manager.namedServices[cls.SERVICE_NAME]
        return amender

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # One after the other: each reads all and writes what it comes to.
        self._turn = defer.DeferredLock()
        #: Ends of rebuilds that no run tells of yet.
        self._ended: list[AttributeEnded] = []
        #: Attributes that were built again while their run went on, by its request.
        self._built_early: dict[int, list[str]] = defaultdict(list)

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        self._unsubscribe = RunEvents.find(self.master).subscribe(self._heard)

    @async_to_deferred
    async def stopService(self) -> None:
        self._unsubscribe()
        await super().stopService()

    def _heard(self, event: RunEvent) -> None:
        if isinstance(event, AttributeEnded) and event.is_rebuild:
            self._ended.append(event)
            done = self._turn.run(self._take_ended)
        elif isinstance(event, RunEnded) and event.results != RETRY:
            done = self._turn.run(self._run_ended, event.subject)
        else:
            return
        done.addErrback(lambda failure: log.err(failure, f"after {type(event).__name__}"))

    @async_to_deferred
    async def _take_ended(self) -> None:
        """All that ended while others were told of."""
        state = State.find(self.master)
        ended, self._ended = self._ended, []
        parents: dict[int, Parent] = {}
        built: dict[int, list[str]] = defaultdict(list)
        for event in ended:
            parent = await state.do(parent_of, event.subject.build)
            if parent is not None:
                parents[parent.request] = parent
                if event.results in (SUCCESS, WARNINGS):
                    built[parent.request].append(event.attr)
        for request, parent in parents.items():
            await self._amend(parent, built[request])

    @async_to_deferred
    async def _run_ended(self, run: Subject) -> None:
        state = State.find(self.master)
        await JobSets(state).end(run.request)
        built = self._built_early.pop(run.request, None)
        parent = await state.do(last_build, run.request) if built else None
        if built and parent is not None:
            await self._amend(parent, built)

    @async_to_deferred
    async def _amend(self, parent: Parent, built: list[str]) -> None:
        """``built`` are attributes of the run that were built again and well."""
        state = State.find(self.master)
        base = self.master.config.buildbotURL
        past: list[PastBuild] = await state.do(past_builds, parent.request)
        records = [build.row(base) for build in past]
        driver = self._driver_of(parent.request)
        if driver is not None:
            driver.amend(records)
            self._built_early[parent.request] += built
            return
        recalled = await self._recall(parent, records)
        if recalled is None:
            return
        run, job_set = recalled
        freed = dict.fromkeys(name for attr in built for name in run.freed_by(attr))
        run.close()
        await self._write(state, parent, run)
        stopped_because = "it was stopped" if run.finding == Finding.Cancelled else None
        self._tell(parent, job_set, run, RESULTS[run.finding], stopped_because)
        await self._build(freed, past)

    @async_to_deferred
    async def tell(self, request: int) -> None:
        """Tells once more of a run that has ended, as far as that is known."""
        await self._turn.run(self._tell_again, request)

    @async_to_deferred
    async def _tell_again(self, request: int) -> None:
        state = State.find(self.master)
        parent = await state.do(last_build, request)
        if parent is None:
            return
        past: list[PastBuild] = await state.do(past_builds, request)
        base = self.master.config.buildbotURL
        recalled = await self._recall(parent, [build.row(base) for build in past])
        if recalled is not None:
            run, job_set = recalled
            run.close()
            stopped_because = parent.text if parent.results == CANCELLED else None
            assert parent.results is not None
            self._tell(parent, job_set, run, parent.results, stopped_because)

    async def _recall(self, parent: Parent, records: list[PastRecord]) -> tuple[Run, JobSet] | None:
        """The run as it has become, which may go on; None if it is too old, or its result has
        another reason."""
        state = State.find(self.master)
        job_set: JobSet | None = await JobSets(state).find(parent.request)
        if job_set is None or parent.results not in AMENDED:
            return None
        run = Run()
        run.restore(records)
        await replay(state, job_set, run.feed)
        run.end_of_evaluation(0)
        if job_set.lost is not None:
            run.recall_lost(job_set.lost)
        return run, job_set

    async def _build(self, attrs: Iterable[str], past: list[PastBuild]) -> None:
        """Has ``attrs`` built, as if somebody asked for each."""
        last = {build.properties.get("attr"): build.id for build in past}
        for attr in attrs:
            await self.master.data.control("rebuild", {}, ("builds", str(last[attr])))

    def _driver_of(self, request: int) -> RunDriver | None:
        """The driver of a run that goes on."""
        for builder in self.master.botmaster.builders.values():
            for build in builder.building:
                if any(one.id == request for one in build.requests):
                    return RunDriver.of(build)
        return None

    async def _write(self, state: State, parent: Parent, run: Run) -> None:
        page = await in_thread(run.html)
        results, text = RESULTS[run.finding], run.summary()
        await state.do(write, parent, results, text, page)
        build = await self.master.data.get(("builds", parent.build))
        self.master.data.getResourceType("build").produceEvent(build, "update")

    def _tell(
        self,
        parent: Parent,
        job_set: JobSet,
        run: Run,
        results: int,
        stopped_because: str | None,
    ) -> None:
        base = self.master.config.buildbotURL
        subject = Subject(
            project=job_set.project,
            revision=job_set.properties.get("got_revision"),
            branch=parent.branch,
            request=parent.request,
            build=parent.build,
            url=f"{base}#/builders/{parent.builder}/builds/{parent.number}",
        )
        ended = RunEnded(
            subject=subject,
            results=results,
            run=run,
            text=run.summary(),
            stopped_because=stopped_because,
            seconds=0,
        )
        RunEvents.find(self.master).emit(ended)


def parent_of(connection: Connection, build: int) -> Parent | None:
    """The evaluation of which ``build`` is shown as triggered; the last one of its request. Runs in
    a thread, as all that takes a connection."""
    builds, requests, sets = Model.builds, Model.buildrequests, Model.buildsets
    parent = (
        sa.select(sets.c.parent_buildid)
        .join(requests, requests.c.buildsetid == sets.c.id)
        .join(builds, builds.c.buildrequestid == requests.c.id)
        .where(builds.c.id == build)
    )
    query = sa.select(builds.c.buildrequestid).where(builds.c.id == parent.scalar_subquery())
    request = connection.execute(query).scalar()
    return None if request is None else last_build(connection, request)


def last_build(connection: Connection, request: int) -> Parent | None:
    """The last build of the request ``request``. Runs in a thread."""
    builds = Model.builds
    query = (
        sa.select(builds)
        .where(builds.c.buildrequestid == request)
        .order_by(builds.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return Parent(
        build=row.id,
        request=request,
        builder=row.builderid,
        number=row.number,
        results=row.results,
        text=row.state_string,
        branch=properties_of(connection, [row.id])[row.id].get("branch"),
    )


def write(connection: Connection, parent: Parent, results: int, text: str, page: str) -> None:
    """What the evaluation comes to now: its build, request, step and summary."""
    builds, steps, logs = Model.builds, Model.steps, Model.logs
    ended = {"results": results, "state_string": text}
    connection.execute(builds.update().where(builds.c.id == parent.build).values(**ended))
    requests = Model.buildrequests
    connection.execute(
        requests.update().where(requests.c.id == parent.request).values(results=results)
    )
    step = sa.select(steps.c.id).where(
        steps.c.buildid == parent.build, steps.c.name == BuildFlake.name
    )
    connection.execute(steps.update().where(steps.c.id.in_(step)).values(**ended))
    summary = connection.execute(
        sa.select(logs.c.id).where(logs.c.stepid.in_(step), logs.c.name == SUMMARY)
    ).scalar()
    if summary is not None:
        rewrite_log(connection, Model, summary, page)
