"""Stage build: somebody asks for one attribute again."""

from __future__ import annotations

from typing import cast

from buildbot.process.buildstep import BuildStep
from buildbot.process.log import StreamLog
from buildbot.process.results import CANCELLED, EXCEPTION, RETRY
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python.failure import Failure

from buildbot_nix._native import BuildResult, OutcomeReader, Plan, Project
from buildbot_nix.agent import text_properties
from buildbot_nix.attempts import Buildable, Patience, agent_command
from buildbot_nix.builds import STEP
from buildbot_nix.feed import Place, Slot
from buildbot_nix.machines import Machine, Machines
from buildbot_nix.memory import Memory
from buildbot_nix.post_build import RunPostBuildCommand
from buildbot_nix.slots import SlotCommand, StoppedError, WorkerLostError
from buildbot_nix.uploads import Uploads
from buildbot_nix.verdicts import FailedBuild, Verdict, ending


class BuildAttribute(BuildStep):
    """Builds the derivation in the property ``drv_path``.

    Builds of an evaluation are done by :class:`buildbot_nix.builds.AttributeBuilds`; this is what
    Buildbot schedules when one of them is to be built again. Both share the slots of the machine,
    whichever worker Buildbot thinks that this runs on.
    """

    name = STEP
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, plan: Plan, project: Project, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._plan = plan
        self._project = project
        self._message: str | None = None
        self._place: Place | None = None
        self._slot: Slot | None = None
        self._command: SlotCommand | None = None
        self._landing: defer.Deferred[FailedBuild | None] | None = None

    @async_to_deferred
    async def run(self) -> int:
        assert self.master is not None
        drv_path = self.getProperty("drv_path")
        if not drv_path:
            self._message = "no derivation to build: start the evaluation, not this builder"
            return EXCEPTION
        name = self.getProperty("nix_machine")
        machine = Machines.find(self.master, name)
        self._command = SlotCommand(self.master, self._project.build_builder, name)
        try:
            verdict = await self._take_turn(machine, self._command, drv_path)
        except (defer.CancelledError, StoppedError):
            return CANCELLED
        except WorkerLostError:
            return RETRY
        await self._learn(drv_path, verdict)
        results, self._message = ending(verdict)
        return results

    async def _take_turn(self, machine: Machine, command: SlotCommand, drv_path: str) -> Verdict:
        """Builds when there is a slot and nobody builds the same: then that is waited for."""
        while True:
            while drv_path in machine.flights:
                self._landing = machine.flights.wait(drv_path)
                self.updateSummary()
                failed = await self._landing
                self._landing = None
                if failed is not None:
                    return failed.for_others()
            place = self._place = machine.feed.enter(self._project.name)
            self.updateSummary()
            await place
            slot = self._slot = machine.feed.slot(place)
            try:
                if drv_path not in machine.flights:
                    return await self._fly(machine, command, slot, drv_path)
            finally:
                slot.release()

    async def _fly(
        self, machine: Machine, command: SlotCommand, slot: Slot, drv_path: str
    ) -> Verdict:
        """Builds, and tells who waits for it."""
        assert self.build is not None
        failed: FailedBuild | None = None
        machine.flights.begin(drv_path)
        try:
            verdict = await self._build(command, slot, drv_path)
            if verdict.fails_derivation:
                failed = FailedBuild(verdict, await self.build.getUrl())
        finally:
            machine.flights.end(drv_path, failed)
        return verdict

    async def _learn(self, drv_path: str, verdict: Verdict) -> None:
        """What this teaches of builds that are remembered as failed."""
        assert self.build is not None
        memory = Memory.of(self.build, self._plan, self._project.name)
        if memory is None:
            return
        failed = verdict.lasting_failure
        await memory.look_up([drv_path, failed] if failed else [drv_path])
        if verdict.result == BuildResult.Succeeded:
            memory.succeeded(drv_path)
        elif failed is not None:
            url = await self.build.getUrl()
            for derivation in {drv_path, failed}:
                # What was not its own failure is one only if it was before.
                if derivation == failed == drv_path or memory.is_doubted(derivation):
                    memory.failed(derivation, self.getProperty("attr"), url)
        await memory.written()

    async def _build(self, command: SlotCommand, slot: Slot, drv_path: str) -> Verdict:
        assert self.build is not None
        build = Buildable(drv_path, self.getProperty("attr"), text_properties(self.build))
        stdio = cast(StreamLog, await self.addLog("stdio"))
        patience = Patience(self._plan, slot)
        while True:
            verdict = await self._attempt(command, build, stdio)
            if not await patience.goes_on(verdict, lambda text: stdio.addHeader(f"{text}\n")):
                break
        for name, value in verdict.properties.items():
            self.setProperty(name, value, self.name)
        if verdict.result == BuildResult.Succeeded:
            self._go_on(build, verdict.outputs)
        return verdict

    def _go_on(self, build: Buildable, outputs: dict[str, str]) -> None:
        """What is done with the result."""
        assert self.build is not None and self.master is not None
        project = self._project
        if self._plan.uploads(project.name, build.properties):
            Uploads.find(self.master).wake(self.getProperty("nix_machine"))
        rows = self._plan.post_build_steps(project.name, build.properties)
        steps = [RunPostBuildCommand(self._plan, row, project, build.attr, outputs) for row in rows]
        if steps:
            self.build.addStepsAfterCurrentStep(steps)

    async def _attempt(self, command: SlotCommand, build: Buildable, stdio: StreamLog) -> Verdict:
        reader = OutcomeReader()
        remote = await command.run(
            self, lambda _: agent_command(self._plan, self._project, build, reader, stdio)
        )
        if remote.headers():
            await stdio.addHeader(remote.headers())
        return Verdict.of(reader, remote)

    @async_to_deferred
    async def interrupt(self, reason: str | Failure) -> None:
        await super().interrupt(reason)
        if self._landing is not None:
            self._landing.cancel()
        elif self._place is not None and not self._place.called:
            self._place.cancel()
        elif self._command is not None:
            self._command.stop(str(reason))
            if self._slot is not None:
                self._slot.cancel()

    def getCurrentSummary(self) -> dict[str, str]:
        if self._landing is not None:
            return {"step": "waiting for another build of the same derivation"}
        waits = self._place is not None and not self._place.called
        if self._slot is not None and self._slot.rests:
            return {"step": "waiting for another attempt"}
        return {"step": "waiting for a build slot" if waits else "building"}

    def getResultSummary(self) -> dict[str, str]:
        if self._message is None:
            return super().getResultSummary()
        return {"step": self._message, "build": self._message}
