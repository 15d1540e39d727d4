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
from buildbot_nix.builds import STEP, Buildable, Patience, Verdict, agent_command, ending
from buildbot_nix.feed import Place, Slot
from buildbot_nix.machines import Machines
from buildbot_nix.post_build import RunPostBuildCommand
from buildbot_nix.slots import SlotCommand, StoppedError, WorkerLostError
from buildbot_nix.uploads import Uploads


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

    @async_to_deferred
    async def run(self) -> int:
        assert self.master is not None
        drv_path = self.getProperty("drv_path")
        if not drv_path:
            self._message = "no derivation to build: start the evaluation, not this builder"
            return EXCEPTION
        machine = self.getProperty("nix_machine")
        feed = Machines.find(self.master, machine).feed
        place = self._place = feed.enter(self._project.name)
        self._command = SlotCommand(self.master, self._project.build_builder, machine)
        try:
            await place
        except defer.CancelledError:
            return CANCELLED
        slot = self._slot = feed.slot(place)
        try:
            return await self._build(self._command, slot, drv_path)
        except StoppedError:
            return CANCELLED
        except WorkerLostError:
            return RETRY
        finally:
            slot.release()

    async def _build(self, command: SlotCommand, slot: Slot, drv_path: str) -> int:
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
        results, self._message = ending(verdict)
        return results

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
        if self._place is not None and not self._place.called:
            self._place.cancel()
        elif self._command is not None:
            self._command.stop(str(reason))
            if self._slot is not None:
                self._slot.cancel()

    def getCurrentSummary(self) -> dict[str, str]:
        waits = self._place is not None and not self._place.called
        if self._slot is not None and self._slot.rests:
            return {"step": "waiting for another attempt"}
        return {"step": "waiting for a build slot" if waits else "building"}

    def getResultSummary(self) -> dict[str, str]:
        if self._message is None:
            return super().getResultSummary()
        return {"step": self._message, "build": self._message}
