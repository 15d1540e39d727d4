"""A further step of a record. There are few, so Buildbot itself writes them."""

from __future__ import annotations

from typing import Any

from buildbot.master import BuildMaster
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer

from buildbot_nix.records.record import Record


class RecordedStep:
    """One step with one log, and as much of Buildbot's ``StreamLog`` as commands use."""

    def __init__(self, master: BuildMaster, stepid: int, logid: int) -> None:
        #: Buildbot adds its methods at run time.
        self._updates: Any = master.data.updates
        self._stepid = stepid
        self._logid = logid
        #: Lines are written in the order in which they come.
        self._order = defer.DeferredLock()

    @classmethod
    async def begin(cls, master: BuildMaster, record: Record, name: str) -> RecordedStep:
        """The step begins. ``record`` has to be in the database."""
        assert record.ids is not None
        updates: Any = master.data.updates
        stepid, _, _ = await updates.addStep(record.ids.build, name)
        await updates.startStep(stepid, locks_acquired=True)
        logid = await updates.addLog(stepid, "stdio", "s")
        return cls(master, stepid, logid)

    @staticmethod
    async def end_first(master: BuildMaster, record: Record, results: int, text: str) -> None:
        """The first step of ``record``, which is in the database, ends: others follow."""
        assert record.ids is not None
        updates: Any = master.data.updates
        record.step_ended = True
        await updates.setStepStateString(record.ids.step, text)
        await updates.finishStep(record.ids.step, results, False)

    async def finish(self, results: int, text: str) -> None:
        """The step ends."""
        updates = self._updates
        async with self._order:
            await updates.finishLog(self._logid)
        await updates.setStepStateString(self._stepid, text)
        await updates.finishStep(self._stepid, results, False)

    def getName(self) -> str:
        return "stdio"

    @async_to_deferred
    async def addHeader(self, text: str) -> None:
        await self._write("h", text)

    @async_to_deferred
    async def addStdout(self, text: str) -> None:
        await self._write("o", text)

    @async_to_deferred
    async def addStderr(self, text: str) -> None:
        await self._write("e", text)

    add_header_lines = addHeader
    add_stdout_lines = addStdout
    add_stderr_lines = addStderr

    async def _write(self, stream: str, text: str) -> None:
        lines = "".join(f"{stream}{line}\n" for line in text.splitlines())
        if lines:
            async with self._order:
                await self._updates.appendLog(self._logid, lines)
