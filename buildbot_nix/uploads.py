"""Stage cache: what waits on each machine is uploaded, one upload of a machine at a time.

The queue is on the machine (core ``cache``). Here is only when to look at it: soon after a build
that has put something there, once when the master starts, and again, later each time, as long as
something could not be uploaded.
"""

from __future__ import annotations

import shlex
from typing import Any, ClassVar, cast

from buildbot.master import BuildMaster
from buildbot.process.buildstep import BuildStep
from buildbot.process.log import StreamLog
from buildbot.process.properties import Properties
from buildbot.process.results import CANCELLED, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildbot.schedulers.triggerable import Triggerable
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.internet.base import DelayedCall
from twisted.internet.task import deferLater
from twisted.python import log
from twisted.python.failure import Failure

from buildbot_nix._native import Cache, Plan, Project, UploadReader
from buildbot_nix.agent import AgentCommand, no_word, text_properties
from buildbot_nix.steps.credentials import WithCredentials

#: Seconds in which results gather before they are uploaded together.
GATHER_SECONDS = 30
#: Seconds from the master's start to the first look at what an earlier one left.
START_SECONDS = 20
#: Seconds before what failed is tried again, longer each time.
RETRY_SECONDS = (30, 120, 480, 1800, 3600)
#: Seconds that an evaluation's build waits for its uploads; they go on without it.
PATIENCE_SECONDS = 600
#: Seconds that all caches of a machine may take at once.
MAX_SECONDS = 24 * 3600
#: Where the worker has secrets while the agent runs: beside the folder of the build.
CREDENTIALS = "upload-credentials"
#: Property with the number of failed attempts before.
ATTEMPT = "nix_attempt"


class Machine:
    """What is known of the queue of one machine."""

    def __init__(self, scheduler: str) -> None:
        self.scheduler = scheduler
        self.attempt = 0
        self.due: DelayedCall | None = None
        #: Whether something was built since the last look began, and whether that goes on.
        self.has_news = False
        self.is_busy = False
        #: Who wants to know how the next look that begins ends.
        self.waiting: list[defer.Deferred[list[str]]] = []


class Uploads(BuildbotService):
    """Says when what waits on a machine is uploaded."""

    SERVICE_NAME: ClassVar[str] = "nix-uploads"

    name = SERVICE_NAME

    def checkConfig(self, schedulers: dict[str, str]) -> None:
        """``schedulers`` are names by machine."""

    @async_to_deferred
    async def reconfigService(self, schedulers: dict[str, str]) -> None:  # type: ignore[override]
        await super().reconfigService()
        known: dict[str, Machine] = getattr(self, "_machines", {})
        self._machines = {name: known.get(name, Machine(row)) for name, row in schedulers.items()}

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        for name in self._machines:
            self._look_in(name, START_SECONDS)

    @async_to_deferred
    async def stopService(self) -> None:
        for machine in self._machines.values():
            if machine.due is not None and machine.due.active():
                machine.due.cancel()
        await super().stopService()

    @classmethod
    def find(cls, master: BuildMaster) -> Uploads:
        """That of ``master``, which has caches."""
        service: Uploads = master.service_manager.namedServices[cls.SERVICE_NAME]
        return service

    def wake(self, name: str) -> None:
        """Something waits on the machine called ``name``, or may."""
        if name in self._machines:
            self._machines[name].has_news = True
        self._look_in(name, GATHER_SECONDS)

    def is_awaited(self, name: str) -> bool:
        """Whether there is, or was just now, something to upload on the machine called ``name``."""
        machine = self._machines.get(name)
        return machine is not None and (machine.has_news or machine.is_busy or machine.attempt > 0)

    def flush(self, name: str) -> defer.Deferred[list[str]]:
        """Looks now; fires with what went wrong, one line for each cache."""
        waiter: defer.Deferred[list[str]] = defer.Deferred()
        self._machines[name].waiting.append(waiter)
        self._look_in(name, 0)
        return waiter

    def _look_in(self, name: str, seconds: float) -> None:
        machine = self._machines.get(name)
        if machine is None:
            return
        due = machine.due
        if due is not None and due.active():
            if due.getTime() - self.master.reactor.seconds() <= seconds:
                return
            due.cancel()
        machine.due = self.master.reactor.callLater(seconds, self._look, machine)

    def _look(self, machine: Machine) -> None:
        started = self._start(machine)
        started.addErrback(lambda failure: log.err(failure, "while starting an upload"))

    @async_to_deferred
    async def _start(self, machine: Machine) -> None:
        services = self.master.scheduler_manager.namedServices
        scheduler = cast(Triggerable, services[machine.scheduler])
        properties = Properties()
        properties.setProperty(ATTEMPT, machine.attempt, "nix-uploads")
        properties.setProperty("reason", "results wait to be uploaded", "nix-uploads")
        ids, ended = scheduler.trigger(False, set_props=properties)
        ended.addErrback(lambda failure: log.err(failure, "while uploading"))
        await ids

    def begun(self, name: str) -> list[defer.Deferred[list[str]]]:
        """One begins on the machine called ``name``; returns who wants to know how it ends."""
        machine = self._machines.get(name)
        if machine is None:
            return []
        machine.has_news, machine.is_busy = False, True
        waiting, machine.waiting = machine.waiting, []
        return waiting

    def ended(
        self, name: str, waiting: list[defer.Deferred[list[str]]], problems: list[str]
    ) -> float | None:
        """It has ended. Returns the seconds until the next attempt, if there is one."""
        for waiter in waiting:
            if not waiter.called:
                waiter.callback(problems)
        machine = self._machines.get(name)
        if machine is None:
            return None
        machine.is_busy = False
        if not problems:
            machine.attempt = 0
            return None
        pause = RETRY_SECONDS[min(machine.attempt, len(RETRY_SECONDS) - 1)]
        machine.attempt += 1
        self._look_in(name, pause)
        return pause


class Upload(WithCredentials):
    """Uploads what waits on the worker's machine, cache by cache, each with a log."""

    name = "Upload"
    flunkOnFailure = True

    def __init__(self, plan: Plan, machine: str, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._plan = plan
        self._machine = machine
        self._texts: list[str] = []

    @async_to_deferred
    async def run(self) -> int:
        assert self.master is not None
        uploads = Uploads.find(self.master)
        waiting = uploads.begun(self._machine)
        problems: list[str] = []
        try:
            for cache in self._plan.caches:
                if self.stopped:
                    break
                text, is_good = await self._upload(cache)
                self._texts.append(text)
                if not is_good:
                    problems.append(text)
                self.updateSummary()
        except BaseException as error:
            problems.append(str(error) or type(error).__name__)
            raise
        finally:
            if self.stopped:
                problems.append("the upload was stopped")
            pause = uploads.ended(self._machine, waiting, problems)
        if self.stopped:
            assert self.build is not None
            return RETRY if self.build.results == RETRY else CANCELLED
        if pause is not None:
            self._texts.append(f"next attempt in {pause:g} s")
        return FAILURE if problems else SUCCESS

    async def _upload(self, cache: Cache) -> tuple[str, bool]:
        """What became of it, and whether that is good."""
        assert self.build is not None
        folder = f"../{CREDENTIALS}" if cache.secrets else None
        attempt = int(self.getProperty(ATTEMPT) or 0)
        command = self._plan.upload_command(cache.name, folder, attempt)
        reader = UploadReader()

        @async_to_deferred
        async def run() -> AgentCommand:
            assert self.build is not None
            remote = AgentCommand(
                workdir=self.build.workdir or "build",
                command=command,
                on_output=reader.feed,
                max_time=MAX_SECONDS,
            )
            stream = cast(StreamLog, await self.addLog(cache.name))
            await stream.addHeader(f"$ {shlex.join(command)}\n")
            remote.useLog(stream, logfileName="stdio")
            await self.runCommand(remote)
            if remote.headers():
                await stream.addHeader(remote.headers())
            return remote

        remote = await self.with_credentials(CREDENTIALS, cache.secrets, run)
        if remote.output_error is not None:
            return f"{cache.name}: {remote.output_error}", False
        return reader.summary or f"{cache.name}: {no_word('upload', remote.rc)}", reader.went_well

    def getCurrentSummary(self) -> dict[str, str]:
        return {"step": "; ".join([*self._texts, "uploading"])}

    def getResultSummary(self) -> dict[str, str]:
        text = "; ".join(self._texts) or "nothing to upload"
        return {"step": text, "build": text}


class WaitForUploads(BuildStep):
    """Shows, on the evaluation's page, whether what it built was uploaded. Its result does not
    matter to that of the evaluation, which is known already."""

    name = "Upload results"
    alwaysRun = True
    haltOnFailure = False
    flunkOnFailure = False
    warnOnWarnings = False

    def __init__(self, plan: Plan, project: Project, **kwargs: Any) -> None:
        super().__init__(hideStepIf=lambda results, _: results == SKIPPED, **kwargs)
        self._plan = plan
        self._project = project
        self._waiting: defer.Deferred[Any] | None = None
        self._text = "waiting for uploads"

    @async_to_deferred
    async def run(self) -> int:
        assert self.master is not None and self.build is not None
        properties = text_properties(self.build)
        machine = self.getProperty("nix_machine")
        wanted = self._plan.uploads(self._project.name, properties)
        if not wanted or not machine or self.build.results in (CANCELLED, RETRY):
            self._text = "nothing to upload"
            return SKIPPED
        uploads = Uploads.find(self.master)
        if not uploads.is_awaited(machine):
            # What was in the store may be new to the caches all the same.
            uploads.wake(machine)
            self._text = "nothing was built"
            return SKIPPED
        waiter = uploads.flush(machine)
        end = deferLater(self.master.reactor, PATIENCE_SECONDS, lambda: None)
        self._waiting = defer.DeferredList([waiter, end], fireOnOneCallback=True)
        problems, index = await self._waiting
        end.addErrback(lambda _: None)
        end.cancel()
        if index == 1:
            self._text = "goes on in the background"
            return SUCCESS
        self._text = "; ".join(problems) + "; is tried again" if problems else "uploaded"
        return WARNINGS if problems else SUCCESS

    @async_to_deferred
    async def interrupt(self, reason: str | Failure) -> None:
        await super().interrupt(reason)
        if self._waiting is not None and not self._waiting.called:
            # What is uploaded is no longer of interest, and goes on all the same.
            self._waiting.callback(([], 1))

    def getCurrentSummary(self) -> dict[str, str]:
        return {"step": self._text}

    getResultSummary = getCurrentSummary
