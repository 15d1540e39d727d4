"""Stage eval: the agent evaluates the checkout and its lines feed the run."""

from __future__ import annotations

import time

from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS, WARNINGS
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python.failure import Failure

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Evaluation, Plan, Project
from buildbot_nix.admission import Place
from buildbot_nix.agent import run_agent, text_properties, was_killed
from buildbot_nix.builds import FORCE_PROPERTY, AttributeBuilds
from buildbot_nix.continuation import Lines, continued, may_start_again, past_of, replay
from buildbot_nix.driver import RunDriver
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.history import History
from buildbot_nix.machines import Machine, Machines
from buildbot_nix.memory import FORGET_PROPERTY, Memory
from buildbot_nix.state import JobSet, JobSets, State
from buildbot_nix.steps.checkout import PROPERTY_SOURCE
from buildbot_nix.steps.credentials import WithCredentials

#: Seconds that Buildbot waits longer than the agent before it ends an evaluation itself.
GRACE_SECONDS = 120
#: Where the worker has secrets while the agent runs: beside the folder of the build.
CREDENTIALS = "eval-credentials"


class EvaluateFlake(WithCredentials):
    """Evaluates the flake. Builds start while it still runs; the next step waits for them."""

    name = "Evaluate flake"
    haltOnFailure = False
    flunkOnFailure = True
    warnOnWarnings = False

    def __init__(self, plan: Plan, project: Project, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._plan = plan
        self._project = project
        self._driver: RunDriver | None = None
        self._place: Place | None = None
        self._cannot_ask: str | None = None

    @async_to_deferred
    async def run(self) -> int:
        assert self.build is not None and self.master is not None
        machine = Machines.find(self.master, self.getProperty("nix_machine"))
        job_set = continued(self.build)
        if job_set is not None:
            return await self._go_on(machine, job_set)
        self._place = machine.admission.enter(self._project.name)
        self.updateSummary()
        try:
            await self._place
        except defer.CancelledError:
            return CANCELLED
        try:
            return await self._evaluate(machine)
        finally:
            machine.admission.leave()

    async def _evaluate(self, machine: Machine) -> int:
        assert self.build is not None and self.master is not None
        driver = await self._new_driver(machine)
        lines = Lines()

        def take_output(data: bytes) -> None:
            lines.add(data)
            driver.take_output(data)

        remote = None
        try:
            properties = text_properties(self.build)
            secrets = self._plan.eval_secrets(self._project.name, properties)
            evaluation = await self._evaluation(properties, bool(secrets))
            command = self._plan.eval_command(self._project.name, evaluation)
            max_time = self._project.eval_timeout + GRACE_SECONDS
            remote = await self.with_credentials(
                CREDENTIALS,
                secrets,
                lambda: run_agent(self, command, take_output, max_time=max_time),
            )
        except BuildbotNixError as problem:
            # A file of secrets that cannot be read.
            self._cannot_ask = str(problem)
            return EXCEPTION
        finally:
            # Also when the worker is lost: the step that waits must come to an end.
            driver.evaluation_ended(remote.rc if remote else None)
        if self.stopped:
            # With the latter, Buildbot starts the build once more: the master stops.
            return RETRY if self.build.results == RETRY else CANCELLED
        error = remote.output_error or driver.output_error
        if error is not None:
            await self.addCompleteLog("agent", f"{error}\n")
            return EXCEPTION
        run = driver.run
        if run.fatal is not None:
            may_pass = was_killed(remote) or run.fatal_may_pass
            if may_pass and await may_start_again(self.build):
                # What was built meanwhile is there by then.
                driver.cancel("the evaluation was interrupted, and begins again")
                return RETRY
            return FAILURE
        await driver.all_known()
        await self._look_for_lost()
        await self._store(lines)
        reused = run.reused(self.master.config.buildbotURL)
        if reused is not None and reused[1] is not None:
            await self.addURL(reused[0], reused[1])
        return await self._conclude()

    async def _conclude(self) -> int:
        assert self._driver is not None
        run = self._driver.run
        if run.warnings:
            await self.addCompleteLog("Evaluation Warnings", "\n".join(run.warnings) + "\n")
        return WARNINGS if run.warnings or run.evaluation_failures else SUCCESS

    async def _new_driver(self, machine: Machine) -> RunDriver:
        assert self.build is not None
        priority = self._plan.priority(self._project.name, text_properties(self.build))
        builds = await AttributeBuilds.of(self, self._plan, self._project)
        memory = Memory.of(self.build, self._plan, self._project.name)
        if memory is not None and self.getProperty(FORGET_PROPERTY):
            await memory.forget_all()
        driver = RunDriver(builds, machine, self._project.name, priority, memory)
        driver.attach(self.build)
        driver.on_progress = self.updateSummary
        self._driver = driver
        return driver

    async def _go_on(self, machine: Machine, job_set: JobSet) -> int:
        """Does again what the run has found, and builds what is left of it."""
        assert self.build is not None and self.master is not None
        driver = await self._new_driver(machine)
        try:
            base = self.master.config.buildbotURL
            driver.run.restore([past.row(base) for past in await past_of(self.build)])
            await replay(State.find(self.master), job_set, driver.take_output)
        finally:
            driver.evaluation_ended(0)
        if self.stopped:
            return RETRY if self.build.results == RETRY else CANCELLED
        if job_set.lost is not None:
            driver.run.recall_lost(job_set.lost)
        return await self._conclude()

    async def _store(self, lines: Lines) -> None:
        """From now on, the run can go on without another evaluation."""
        assert self.build is not None and self.build.buildid is not None
        assert self.master is not None and self._driver is not None
        slices = await lines.slices()
        properties = self.build.getProperties().asList()
        job_set = JobSet(
            request=self.build.requests[0].id,
            project=self._project.name,
            build=self.build.buildid,
            machine=self.getProperty("nix_machine"),
            properties={
                name: text for name, text, source in properties if source == PROPERTY_SOURCE
            },
            lost=self._driver.run.lost_text(),
            slices=len(slices),
            stored_at=int(time.time()),
            ended_at=None,
        )
        await JobSets(State.find(self.master)).store(job_set, slices)

    async def _evaluation(self, properties: dict[str, str], has_secrets: bool) -> Evaluation:
        assert self.build is not None and self.build.buildid is not None
        assert self.master is not None and self.master.name is not None
        return Evaluation(
            properties=properties,
            credentials=f"../{CREDENTIALS}" if has_secrets else None,
            url=await self.build.getUrl(),
            anew=bool(self.getProperty(FORCE_PROPERTY)),
            master=self.master.name,
            build=self.build.buildid,
            running=await self._live_runs(),
        )

    async def _live_runs(self) -> list[int]:
        """The builds that evaluate or wait for theirs, and those of runs that are going on or will.
        One without a number is newer than this; so are all builds of a project that this step's
        plan does not know."""
        assert self.master is not None
        builders = self.master.botmaster.builders
        running = [
            build.buildid
            for project in self._plan.projects
            if project.eval_builder in builders
            for build in builders[project.eval_builder].building
        ]
        job_sets = await JobSets(State.find(self.master)).unfinished()
        stored = [job_set.build for job_set in job_sets]
        return stored + [build for build in running if build is not None]

    @async_to_deferred
    async def _look_for_lost(self) -> None:
        """Compares with the last evaluation of the branch, or of the one that a pull request is
        for, and keeps the attributes of a branch for the next one."""
        assert self.build is not None and self.master is not None and self._driver is not None
        build = self.build.buildid
        assert build is not None
        history = History(self.master, self._project.name)
        base = self.getProperty("merged_base_branch")
        branch = base or self.getProperty("branch") or self._project.default_branch
        names = await in_thread(
            self._driver.run.compare, await history.names_of(branch, build), branch
        )
        passes_by = self._plan.branch_decision(self._project.name, branch).merge_queue
        if names is not None and base is None and not passes_by:
            await history.keep(branch, build, names)
        if self._driver.run.lost:
            text = "\n".join(self._driver.run.lost)
            await self.addCompleteLog("No longer there", f"{text}\n")

    @async_to_deferred
    async def interrupt(self, reason: str | Failure) -> None:
        if self._driver is not None:
            # First, so that the agent's last word is that of a cancelled run.
            self._driver.cancel("the evaluation was stopped")
        # Before the end of waiting, so that this counts as a stop.
        await super().interrupt(reason)
        if self._driver is None and self._place is not None:
            self._place.cancel()

    def getCurrentSummary(self) -> dict[str, str]:
        return {"step": self._text()}

    def getResultSummary(self) -> dict[str, str]:
        if self._cannot_ask is not None:
            return {"step": self._cannot_ask, "build": self._cannot_ask}
        run = self._driver.run if self._driver else None
        if run is not None and run.fatal is not None:
            return {"step": run.fatal, "build": run.fatal}
        return {"step": self._text()}

    def _text(self) -> str:
        if self._driver is None:
            return "going on" if continued(self.build) else "waiting for other evaluations"
        run = self._driver.run
        parts = [f"{run.jobs} attributes"]
        assert self.master is not None
        reused = run.reused(self.master.config.buildbotURL)
        if reused is not None:
            parts.append(reused[0])
        if continued(self.build):
            parts.append("stored when the run began")
        if run.evaluation_failures:
            parts.append(f"{run.evaluation_failures} failed to evaluate")
        if run.lost:
            parts.append(f"{len(run.lost)} no longer there")
        if run.warnings:
            plural = "s" if len(run.warnings) > 1 else ""
            parts.append(f"{len(run.warnings)} warning{plural}")
        return ", ".join(parts)
