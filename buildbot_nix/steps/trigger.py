"""Stages jobs and graph: the builds of one run, and the step that waits for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from buildbot.master import BuildMaster
from buildbot.process.build import Build
from buildbot.process.buildstep import BuildStep
from buildbot.process.properties import Properties
from buildbot.process.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
)
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log
from twisted.python.failure import Failure

from buildbot_nix._native import BuildResult, Finding, Job, Plan, Project, Run
from buildbot_nix.agent import run_quietly
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.feed import Feed

#: Seconds that the end of a run may take on the worker.
RELEASE_SECONDS = 300

#: Where a build keeps its driver.
ATTRIBUTE = "nix_run"

#: Failed builds that are linked on the step itself; the summary links all.
LINKS_MAX = 20

#: What a Buildbot result says about the derivation. A step that only warned is no failure.
VERDICTS = {
    SUCCESS: BuildResult.Succeeded,
    WARNINGS: BuildResult.Succeeded,
    SKIPPED: BuildResult.Succeeded,
    FAILURE: BuildResult.Failed,
    EXCEPTION: BuildResult.Transient,
    CANCELLED: BuildResult.Cancelled,
}

RESULTS = {
    Finding.Succeeded: SUCCESS,
    Finding.Failed: FAILURE,
    Finding.Cancelled: CANCELLED,
}


@dataclass(frozen=True, slots=True)
class End:
    """How one build ended, as :meth:`Run.finish` wants it."""

    result: BuildResult
    message: str | None = None
    failed_drv: str | None = None


class RunDriver:
    """Starts the builds that a :class:`Run` says are ready and tells it how they ended."""

    def __init__(
        self, build: Build, master: BuildMaster, plan: Plan, project: Project, feed: Feed
    ) -> None:
        self.run = Run()
        #: Fires once the evaluation and every build has ended.
        self.finished: defer.Deferred[None] = defer.Deferred()
        #: ``attr`` and URL of the first builds that failed.
        self.failures: list[tuple[str, str]] = []
        self._build = build
        self._master = master
        self._plan = plan
        self._project = project
        self._feed = feed
        #: Called whenever the run's summary may have changed.
        self.on_progress: Callable[[], object] = lambda: None
        #: Set if the agent's output ended in the middle of a line.
        self.output_error: BuildbotNixError | None = None
        self._requests: dict[int, int] = {}
        self._cancelled = False

    def attach(self) -> None:
        """Makes this the driver of its build, for the steps that follow."""
        setattr(self._build, ATTRIBUTE, self)

    @staticmethod
    def of(build: Build | None) -> RunDriver | None:
        """The driver of a build, None if its evaluation never started."""
        return getattr(build, ATTRIBUTE, None)

    def take_output(self, data: bytes) -> None:
        """The agent said something; builds that are ready by it are started."""
        self.run.feed(data)
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

    def cancel(self, reason: str) -> None:
        """Stops the builds that run and starts no more."""
        if self._cancelled:
            return
        self._cancelled = True
        self.run.cancel()
        for request in list(self._requests.values()):
            self._cancel_request(request, reason)
        self._cancel_what_is_given_back(reason).addErrback(
            lambda failure: log.err(failure, "while cancelling a run")
        )
        self._check_finished()

    @async_to_deferred
    async def _cancel_what_is_given_back(self, reason: str) -> None:
        """A build whose worker is lost, or that runs when the master stops, ends by giving its
        request back, to be built once more. The run would wait for that, and the master for the
        run."""

        def given_back(_: object, request: dict[str, Any]) -> None:
            if request["buildrequestid"] in self._requests.values():
                self._cancel_request(request["buildrequestid"], reason)

        consumer = await self._master.mq.startConsuming(
            given_back, ("buildrequests", None, "unclaimed")
        )
        self.finished.addBoth(lambda result: (consumer.stopConsuming(), result)[1])

    def start_one(self) -> bool:
        """Starts a ready build, see :class:`buildbot_nix.feed.Source`."""
        jobs = self.run.take_ready(1)
        for job in jobs:
            self._build_job(job).addErrback(lambda failure: log.err(failure, "while building"))
        return bool(jobs)

    @async_to_deferred
    async def _build_job(self, job: Job) -> None:
        end = End(BuildResult.Transient, "Buildbot could not start its build")
        try:
            end = await self._trigger(job)
        finally:
            self._requests.pop(job.index, None)
            self.run.finish(job.index, end.result, end.message, end.failed_drv)
            self._feed.release(self)
            self.on_progress()
            self._check_finished()

    async def _trigger(self, job: Job) -> End:
        name = self._project.triggerable
        scheduler = self._master.scheduler_manager.namedServices[name]
        ids, results = scheduler.trigger(
            waited_for=True,
            sourcestamps=self._sourcestamps(),
            set_props=self._properties(job),
            parent_buildid=self._build.buildid,
            parent_relationship="Triggered from",
        )
        # Fails when the master stops; nobody waits for it before the ids are there.
        results.addErrback(lambda _: (CANCELLED, {}))
        _, requests = await ids
        request = next(iter(requests.values()))
        self._requests[job.index] = request
        self.run.set_url(job.index, self._request_url(request))
        if self._cancelled:
            self._cancel_request(request, "the run was cancelled")
        code, _ = await results
        result = VERDICTS.get(code, BuildResult.Transient)
        if result in (BuildResult.Failed, BuildResult.Transient):
            return await self._explained(result, job, request)
        return End(result)

    async def _explained(self, result: BuildResult, job: Job, request: int) -> End:
        """Why the build of ``request`` failed, and where that can be seen."""
        builds = await self._master.data.get(("buildrequests", request, "builds"))
        if not builds:
            return End(result)
        build = builds[-1]
        properties = await self._master.data.get(("builds", build["buildid"], "properties"))
        failed_drv, _ = properties.get("failed_drv", (None, None))
        base = self._master.config.buildbotURL
        url = f"{base}#/builders/{build['builderid']}/builds/{build['number']}"
        self.run.set_url(job.index, url)
        is_its_own = failed_drv in (None, job.drv_path)
        if is_its_own and len(self.failures) < LINKS_MAX:
            self.failures.append((job.attr, url))
        return End(result, build["state_string"].removeprefix("failed "), failed_drv)

    def _request_url(self, request: int) -> str:
        base = self._master.config.buildbotURL
        return f"{base}#/buildrequests/{request}?redirect_to_build=true"

    def _cancel_request(self, request: int, reason: str) -> None:
        defer.maybeDeferred(
            self._master.data.control, "cancel", {"reason": reason}, ("buildrequests", request)
        ).addErrback(lambda failure: log.err(failure, f"while cancelling request {request}"))

    def _sourcestamps(self) -> list[dict[str, Any]]:
        """The sources of the evaluation, at the revision that was checked out."""
        revision = self._build.getProperty("got_revision")
        stamps = [stamp.asDict() for stamp in self._build.getAllSourceStamps()]
        for stamp in stamps:
            stamp["revision"] = revision or stamp["revision"]
        return stamps

    def _properties(self, job: Job) -> Properties:
        properties = Properties()
        attribute = self.run.attribute or ""
        rows = self._plan.build_properties(self._project.name, attribute, job)
        for name, value in rows.items():
            properties.setProperty(name, value, "nix-eval-nix")
        machine = self._build.getProperty("nix_machine")
        properties.setProperty("nix_machine", machine, "nix-eval-nix")
        return properties

    def _check_finished(self) -> None:
        if self.run.is_finished and not self.finished.called:
            self._feed.withdraw(self)
            self.finished.callback(None)


class BuildFlake(BuildStep):
    """Waits for the builds that the evaluation started, and sums them up."""

    name = "build flake"
    # Builds may run although the evaluation failed in the end.
    alwaysRun = True
    haltOnFailure = False
    flunkOnFailure = True

    def __init__(self, plan: Plan, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._plan = plan

    @async_to_deferred
    async def run(self) -> int:
        driver = RunDriver.of(self.build)
        if driver is None:
            self.descriptionDone = ["nothing was evaluated"]
            return SKIPPED
        driver.on_progress = self.updateSummary
        self.updateSummary()
        await driver.finished
        await self._release()
        await self.addHTMLLog("summary", driver.run.html())
        for attr, url in driver.failures:
            await self.addURL(f"{attr} failed", url)
        if self.build is not None and self.build.results == RETRY:
            # The worker is lost or the master stops: Buildbot starts all of it once more.
            return RETRY
        return RESULTS[driver.run.finding]

    async def _release(self) -> None:
        """The garbage collector may have the derivations. What is not done here, since the worker
        is lost or the master stops, is done when the next evaluation begins there."""
        assert self.build is not None and self.build.buildid is not None
        assert self.master is not None and self.master.name is not None
        command = self._plan.release_command(self.master.name, self.build.buildid)
        if self.build.results != RETRY:
            await run_quietly(self, command, max_time=RELEASE_SECONDS)

    @async_to_deferred
    async def interrupt(self, reason: str | Failure) -> None:
        await super().interrupt(reason)
        driver = RunDriver.of(self.build)
        if driver is not None:
            driver.cancel("the evaluation's build was stopped")

    def getCurrentSummary(self) -> dict[str, str]:
        driver = RunDriver.of(self.build)
        return {"step": driver.run.summary() if driver else "waiting"}

    def getResultSummary(self) -> dict[str, str]:
        driver = RunDriver.of(self.build)
        if driver is None:
            return {"step": "nothing was evaluated"}
        summary = {"step": driver.run.summary()}
        if driver.run.fatal is None:
            summary["build"] = driver.run.summary()
        return summary
