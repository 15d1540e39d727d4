"""Stage build, after it: the administrator's commands."""

from __future__ import annotations

import shlex
from typing import cast

from buildbot.config.errors import ConfigErrors
from buildbot.process.build import Build
from buildbot.process.buildstep import BuildStep
from buildbot.process.log import StreamLog
from buildbot.process.properties import Interpolate, Properties
from buildbot.process.remotecommand import RemoteShellCommand
from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, SUCCESS, WARNINGS
from buildbot.util.twisted import async_to_deferred
from buildbot.worker.base import Worker
from twisted.python.failure import Failure

from buildbot_nix._native import BuildResult, Plan, PostBuildStep, Project, Words
from buildbot_nix.agent import TERM_SECONDS
from buildbot_nix.machines import Machines
from buildbot_nix.records.record import Property
from buildbot_nix.slots import SlotCommand, StoppedError, WorkerLostError

#: Where the agent runs; the command itself has a folder of its own.
WORKDIR = "build"

#: What a step that ended with one of Buildbot's results makes of a build that went well.
MEANING = {
    SUCCESS: BuildResult.Succeeded,
    WARNINGS: BuildResult.Succeeded,
    FAILURE: BuildResult.Failed,
    EXCEPTION: BuildResult.Transient,
    CANCELLED: BuildResult.Cancelled,
}


class AttributeProperties(Properties):
    """Properties of the build of one attribute of an evaluation. What Buildbot knows of a build it
    asks that of the evaluation, whose logs are kept free of secrets."""

    def __init__(self, evaluation: Build, properties: dict[str, Property]) -> None:
        super().__init__()
        self.updateFromProperties(evaluation.getProperties())
        for name, (value, source) in properties.items():
            self.setProperty(name, value, source)
        self.build = evaluation

    def useSecret(self, secret_value: str, secret_name: str) -> None:
        assert self.build is not None
        self.build.getProperties().useSecret(secret_value, secret_name)


def check(plan: Plan) -> None:
    """Raises ``ConfigErrors`` if Buildbot does not understand a text with places."""
    for step in plan.all_post_build_steps:
        for words in (*step.command, *step.environment.values()):
            try:
                render_later(words)
            except ConfigErrors as errors:
                texts = [f"post_build_steps: {step.name}: {error}" for error in errors.errors]
                raise ConfigErrors(texts) from None


def render_later(words: Words) -> str | Interpolate:
    return Interpolate(words.text) if words.interpolate else words.text


class PostBuildCommand:
    """One command after the build of ``attr``, with outputs by name."""

    def __init__(self, plan: Plan, row: PostBuildStep, attr: str, outputs: dict[str, str]) -> None:
        self._plan = plan
        self._row = row
        self._attr = attr
        self._outputs = outputs

    async def run(
        self, step: BuildStep, slot: SlotCommand, properties: Properties, log: StreamLog
    ) -> tuple[int, str]:
        """Runs it in ``slot``; ``step`` lends its build, which hides secrets. Returns how it ended,
        one of Buildbot's results and a word for people."""
        assert step.build is not None
        clean = step.build.getProperties().cleanupTextFromSecrets
        try:
            environment = {
                name: await properties.render(render_later(words))
                for name, words in self._row.environment.items()
            }
            command = [await properties.render(render_later(words)) for words in self._row.command]
        except KeyError as error:
            # Of a property or secret that there is not.
            await log.addHeader(f"cannot be filled in: {error.args[0]}\n")
            return self._failed("a value is missing")
        await log.addHeader(f"$ {clean(shlex.join(command))}\n")
        whole = Plan.post_build_command(self._attr, self._outputs, command)

        def make(_: Worker) -> RemoteShellCommand:
            remote = RemoteShellCommand(
                WORKDIR,
                whole,
                env=environment,
                timeout=self._plan.build_max_silent_time,
                maxTime=self._plan.build_timeout,
                sigtermTime=TERM_SECONDS,
                logEnviron=False,
            )
            remote.useLog(log)
            return remote

        try:
            remote = await slot.run(step, make)
        except StoppedError:
            return CANCELLED, "stopped"
        except WorkerLostError:
            return EXCEPTION, "the connection to the worker was lost"
        if remote.rc == 0:
            return SUCCESS, "done"
        return self._failed("failed" if remote.rc == 1 else f"ended with status {remote.rc}")

    def _failed(self, text: str) -> tuple[int, str]:
        if self._row.warn_only:
            return WARNINGS, f"{text}, which only warns"
        return FAILURE, text


class RunPostBuildCommand(BuildStep):
    """The same after a build that Buildbot has scheduled, in a slot of its machine."""

    def __init__(
        self,
        plan: Plan,
        row: PostBuildStep,
        project: Project,
        attr: str,
        outputs: dict[str, str],
        **kwargs: object,
    ) -> None:
        super().__init__(name=row.name[:50], **kwargs)
        self.haltOnFailure = not row.warn_only
        self.flunkOnFailure = not row.warn_only
        self.warnOnWarnings = True
        self._command = PostBuildCommand(plan, row, attr, outputs)
        self._project = project
        self._slot: SlotCommand | None = None
        self._text = ""

    @async_to_deferred
    async def run(self) -> int:
        assert self.master is not None and self.build is not None
        machine = self.getProperty("nix_machine")
        feed = Machines.find(self.master, machine).feed
        self._slot = SlotCommand(self.master, self._project.build_builder, machine)
        place = feed.enter(self._project.name)
        await place
        try:
            log = cast(StreamLog, await self.addLog("stdio"))
            properties = self.build.getProperties()
            results, self._text = await self._command.run(self, self._slot, properties, log)
            return results
        finally:
            feed.release(place)

    @async_to_deferred
    async def interrupt(self, reason: str | Failure) -> None:
        await super().interrupt(reason)
        if self._slot is not None:
            self._slot.stop(str(reason))

    def getResultSummary(self) -> dict[str, str]:
        return {"step": self._text} if self._text else super().getResultSummary()
