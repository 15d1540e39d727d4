"""Stages jobs and graph: the step that waits for the builds of a run."""

from __future__ import annotations

from buildbot.process.buildstep import BuildStep
from buildbot.process.results import CANCELLED, FAILURE, RETRY, SKIPPED, SUCCESS
from buildbot.util.twisted import async_to_deferred
from twisted.python import log
from twisted.python.failure import Failure

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Finding, Plan, Project, Run
from buildbot_nix.agent import run_quietly, text_properties
from buildbot_nix.continuation import run_number
from buildbot_nix.driver import RunDriver
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.heads import Heads
from buildbot_nix.machines import Machines
from buildbot_nix.waiting_log import WaitingLog

#: Seconds that the end of a run may take on the worker.
RELEASE_SECONDS = 300
#: Seconds that keeping results may take there: some ten thousand links, as a rule.
KEEP_SECONDS = 900

#: Name of the log that has the whole run.
SUMMARY = "summary"

RESULTS = {
    Finding.Succeeded: SUCCESS,
    Finding.Failed: FAILURE,
    Finding.Cancelled: CANCELLED,
}


class BuildFlake(BuildStep):
    """Waits for the builds that the evaluation started, and sums them up."""

    name = "build flake"
    # Builds may run although the evaluation failed in the end.
    alwaysRun = True
    haltOnFailure = False
    flunkOnFailure = True

    def __init__(self, plan: Plan, project: Project, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._plan = plan
        self._project = project

    @async_to_deferred
    async def run(self) -> int:
        driver = RunDriver.of(self.build)
        if driver is None:
            self.descriptionDone = ["nothing was evaluated"]
            return SKIPPED
        driver.on_progress = self.updateSummary
        self.updateSummary()
        waiting = WaitingLog(self, driver.waiting)
        waiting.start()
        await driver.finished
        await waiting.stop()
        await self._keep()
        await self._update_outputs(driver.run)
        await self._forget()
        await self._release()
        await driver.settled()
        await self.addHTMLLog(SUMMARY, driver.run.html())
        for attr, url in driver.failures:
            await self.addURL(f"{attr} failed", url)
        if self.build is not None and self.build.results == RETRY:
            # The worker is lost or the master stops: Buildbot starts all of it once more.
            return RETRY
        return RESULTS[driver.run.finding]

    async def _keep(self) -> None:
        """Keeps the results that needed no build too, and lets go those of attributes that are
        gone; from a list that the evaluation has left on the worker."""
        assert self.build is not None
        assert self.master is not None and self.master.name is not None
        command = self._plan.keep_command(
            self._project.name,
            text_properties(self.build),
            self.master.name,
            run_number(self.build),
        )
        if command is not None and self.build.results != RETRY:
            await run_quietly(self, command, max_time=KEEP_SECONDS)

    async def _update_outputs(self, run: Run) -> None:
        """Also those that needed no build."""
        assert self.build is not None and self.build.buildid is not None
        if not self._plan.has_outputs or self.build.results == RETRY:
            return
        properties = text_properties(self.build)
        try:
            await in_thread(
                self._plan.update_outputs, self._project.name, properties, self.build.buildid, run
            )
        except BuildbotNixError as error:
            log.msg(f"cannot write the output files of {self._project.name}: {error}")

    async def _forget(self) -> None:
        """Lets go what was kept, on this machine and in files, for branches and projects that are
        gone, if that may have changed since the last time."""
        assert self.build is not None and self.build.buildid is not None
        assert self.master is not None and self.master.name is not None
        heads = Heads.find(self.master)
        heads.is_there(self._project.name, self.getProperty("branch") or "")
        existing = self._plan.existing(heads.known, heads.gone)
        machine = Machines.find(self.master, self.getProperty("nix_machine"))
        if machine.existing == existing or self.build.results == RETRY:
            return
        machine.existing = existing
        command = self._plan.forget_command(self.master.name, run_number(self.build))
        await run_quietly(self, command, max_time=RELEASE_SECONDS, stdin=existing)
        try:
            await in_thread(self._plan.forget_outputs, heads.known, heads.gone)
        except BuildbotNixError as error:
            log.msg(f"cannot remove output files of what is gone: {error}")

    async def _release(self) -> None:
        """The garbage collector may have the derivations. What is not done here, since the worker
        is lost or the master stops, is done when the next evaluation begins there."""
        assert self.build is not None
        assert self.master is not None and self.master.name is not None
        command = self._plan.release_command(self.master.name, run_number(self.build))
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
