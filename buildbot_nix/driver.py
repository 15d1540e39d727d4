"""Stages jobs and graph: the builds of one run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from buildbot.process.build import Build
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log

from buildbot_nix._native import BuildResult, Job, Priority, Run
from buildbot_nix.builds import AttributeBuilds
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.machines import Machine
from buildbot_nix.memory import Memory
from buildbot_nix.records import Record
from buildbot_nix.records.past import PastRecord
from buildbot_nix.verdicts import FailedBuild, Verdict, ending

#: Where a build keeps its driver.
ATTRIBUTE = "nix_run"

#: Failed builds that are linked on the step itself; the summary links all.
LINKS_MAX = 20


class RunDriver:
    """Starts the builds that a :class:`Run` says are ready and tells it how they ended."""

    def __init__(
        self,
        builds: AttributeBuilds,
        machine: Machine,
        project: str,
        priority: Priority,
        memory: Memory | None = None,
    ) -> None:
        self.run = Run(asks=memory is not None)
        self.project = project
        self.priority = priority
        #: Fires once the evaluation and every build has ended.
        self.finished: defer.Deferred[None] = defer.Deferred()
        self._failures: list[tuple[str, str]] = []
        self._memory = memory
        #: The end of asking what has failed before, of the jobs that have arrived.
        self._asking: defer.Deferred[None] | None = None
        self._builds = builds
        self._feed = machine.feed
        self._flights = machine.flights
        #: Ends of others' builds, by the jobs that wait for them.
        self._landings: dict[int, defer.Deferred[FailedBuild | None]] = {}
        #: Jobs that waited and are to be built all the same. Instantly, if the other succeeded.
        self._landed: deque[Job] = deque()
        #: Called whenever the run's summary may have changed.
        self.on_progress: Callable[[], object] = lambda: None
        #: Set if the agent's output ended in the middle of a line.
        self.output_error: BuildbotNixError | None = None
        self._cancelled = False

    def attach(self, build: Build) -> None:
        """Makes this the driver of ``build``, for the steps that follow."""
        setattr(build, ATTRIBUTE, self)

    @staticmethod
    def of(build: Build | None) -> RunDriver | None:
        """The driver of a build, None if its evaluation never started."""
        return getattr(build, ATTRIBUTE, None)

    def take_output(self, data: bytes) -> None:
        """The agent said something; builds that are ready by it are started."""
        self.run.feed(data)
        self._ask()
        self._record_unbuilt()
        self._feed.offer(self)
        self.on_progress()

    def evaluation_ended(self, status: int | None) -> None:
        """The agent is gone; ``status`` is None if it was killed or its worker lost."""
        try:
            self.run.end_of_evaluation(status)
        except BuildbotNixError as error:
            self.output_error = error
        self._feed.offer(self)
        self._check_finished()

    @async_to_deferred
    async def all_known(self) -> None:
        """All jobs that have arrived are in the run."""
        if self._asking is not None and not self._asking.called:
            waiting: defer.Deferred[None] = defer.Deferred()
            self._asking.addBoth(lambda _: waiting.callback(None))
            await waiting

    def _ask(self) -> None:
        if self._asking is None or self._asking.called:
            self._asking = self._ask_all()

    @async_to_deferred
    async def _ask_all(self) -> None:
        while self._memory is not None and (questions := self.run.take_questions()):
            answer: dict[str, tuple[str, int]] = {}
            try:
                answer = await self._memory.look_up(questions)
            except Exception:
                # They are built, as if nothing were known.
                log.err(None, "while looking up what failed before")
            self.run.answer(answer)
            self._record_unbuilt()
            self._feed.offer(self)
            self.on_progress()
            self._check_finished()

    def cancel(self, reason: str) -> None:
        """Stops the builds that run and starts no more."""
        if self._cancelled:
            return
        self._cancelled = True
        self.run.cancel()
        self._builds.stop(reason)
        while self._landed:
            self._finish(self._landed.popleft(), Verdict(BuildResult.Cancelled))
        for landing in list(self._landings.values()):
            landing.cancel()
        self._check_finished()

    def cancel_job(self, attr: str, reason: str) -> bool:
        """Cancels a job that waits, and what needs it; False if none of that name does."""
        job = self.run.find_waiting(attr)
        if job is None:
            return False
        self._finish(job, Verdict(BuildResult.Cancelled, reason))
        landing = self._landings.get(job.index)
        if landing is not None:
            landing.cancel()
        self._landed = deque(one for one in self._landed if one.index != job.index)
        self._check_finished()
        return True

    def amend(self, records: list[PastRecord]) -> None:
        """Somebody had attributes built again: all that is recorded of the run."""
        self.run.amend(records)
        self.on_progress()

    def waiting(self) -> str | None:
        """What waits, as a page; see :meth:`Run.waiting`."""
        return self.run.waiting(self._builds.cancel_url)

    def start_one(self) -> bool:
        """Starts a ready build, see :class:`buildbot_nix.feed.Source`."""
        while (job := self._next_job()) is not None:
            if job.drv_path not in self._flights:
                self._build(job).addErrback(lambda failure: log.err(failure, "while building"))
                return True
            # No slot for what another run builds.
            self._wait(job).addErrback(lambda failure: log.err(failure, "while waiting"))
        return False

    def _next_job(self) -> Job | None:
        if self._landed:
            job = self._landed.popleft()
            self.run.set_elsewhere(job.index, False)
            return job
        return next(iter(self.run.take_ready(1)), None)

    @async_to_deferred
    async def _wait(self, job: Job) -> None:
        self.run.set_elsewhere(job.index, True)
        self.on_progress()
        landing = self._landings[job.index] = self._flights.wait(job.drv_path)
        try:
            failed = await landing
        except defer.CancelledError:
            self._finish(job, Verdict(BuildResult.Cancelled))
            self._check_finished()
            return
        finally:
            del self._landings[job.index]
        if failed is None:
            self._landed.append(job)
            self._feed.offer(self)
            return
        verdict = failed.verdict
        try:
            verdict, record = self._builds.take_over(job, self.run.attribute or "", failed)
            self._show(job.index, record)
            self._builds.tell(record)
            await self._builds.settled()
            self._has_failed(job, FailedBuild(verdict, self._builds.url(record)))
        finally:
            self._finish(job, verdict)
            self._feed.offer(self)
            self._check_finished()

    @async_to_deferred
    async def _build(self, job: Job) -> None:
        self._flights.begin(job.drv_path)
        slot = self._feed.slot(self)
        failed: FailedBuild | None = None
        verdict = Verdict(BuildResult.Transient, "Buildbot could not start its build")
        begun: list[Record] = []

        def on_begin(record: Record) -> None:
            begun.append(record)
            self._show(job.index, record)

        try:
            verdict = await self._builds.run(job, self.run.attribute or "", slot, on_begin)
            if begun and verdict.result in (BuildResult.Failed, BuildResult.Transient):
                # Records of what needs it tell where it can be seen.
                await self._builds.settled()
                ended = FailedBuild(verdict, self._builds.url(begun[-1]))
                self._has_failed(job, ended)
                # Anything else says nothing of the derivation.
                failed = ended if verdict.fails_derivation else None
            elif verdict.result == BuildResult.Succeeded and self._memory is not None:
                self._memory.succeeded(job.drv_path)
        finally:
            self._flights.end(job.drv_path, failed)
            for record in begun:
                self._builds.tell(record)
            self._finish(job, verdict)
            slot.release()
            self._check_finished()

    def _has_failed(self, job: Job, ended: FailedBuild) -> None:
        """Notes the first failures, and remembers what need not be tried again."""
        verdict = ended.verdict
        is_its_own = verdict.failed_drv in (None, job.drv_path)
        if is_its_own and len(self._failures) < LINKS_MAX:
            self._failures.append((job.attr, ended.url))
        in_vain = self.run.in_vain(job.index, verdict.result, verdict.lasting_failure)
        if in_vain is not None and self._memory is not None:
            self._memory.failed(in_vain, job.attr, ended.url)

    def _finish(self, job: Job, verdict: Verdict) -> None:
        said = ending(verdict)[1] if verdict.result == BuildResult.Succeeded else verdict.message
        self.run.finish(job.index, verdict.result, said, verdict.failed_drv)
        self._record_unbuilt()
        self.on_progress()

    def _record_unbuilt(self) -> None:
        """Keeps what has ended without a build in the history of its attributes."""
        for unbuilt in self.run.take_unbuilt():
            record = self._builds.record(unbuilt, self.run.attribute or "")
            self._show(unbuilt.index, record)

    def _show(self, index: int, record: Record) -> None:
        """Links the record from the summary, as soon as it has an address."""
        record.written.addCallback(lambda _: self.run.set_url(index, self._builds.url(record)))

    @async_to_deferred
    async def settled(self) -> None:
        """All that was recorded has an address, once every build has ended."""
        await self._builds.settled()

    @property
    def failures(self) -> list[tuple[str, str]]:
        """``attr`` and URL of the first builds that failed."""
        return self._failures

    def _check_finished(self) -> None:
        if self.run.is_finished and not self.finished.called:
            self._feed.withdraw(self)
            self.finished.callback(None)
