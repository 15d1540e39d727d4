"""The list of what waits, on the page of an evaluation while it lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from buildbot.db.model import Model
from buildbot.process.buildstep import BuildStep
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.internet.task import LoopingCall
from twisted.python import log

from buildbot_nix.records.rows import rewrite_log
from buildbot_nix.state import State

#: Name of the log.
NAME = "waiting"
#: Seconds between two looks.
INTERVAL = 10
NOTHING = "<p>Nothing waits any more.</p>"


class WaitingLog:
    """A log of ``step`` that is written anew when something else waits; none if nothing does."""

    def __init__(self, step: BuildStep, look: Callable[[], str | None]) -> None:
        assert step.master is not None
        self._step = step
        self._master = step.master
        self._look = look
        # Buildbot puts the methods of all resources there.
        self._updates: Any = step.master.data.updates
        self._log: int | None = None
        self._page = NOTHING
        self._turn = defer.DeferredLock()
        self._loop = LoopingCall(self._update)
        self._loop.clock = step.master.reactor

    def start(self) -> None:
        self._loop.start(INTERVAL)

    @async_to_deferred
    async def stop(self) -> None:
        """Nothing waits any more."""
        self._loop.stop()
        self._look = lambda: None
        await self._update()
        if self._log is not None:
            await self._updates.finishLog(self._log)

    @async_to_deferred
    async def _update(self) -> None:
        try:
            await self._turn.run(self._write)
        except Exception:
            # The builds do not depend on it.
            log.err(None, "while writing what waits")

    @async_to_deferred
    async def _write(self) -> None:
        page = self._look() or NOTHING
        if page == self._page:
            return
        if self._log is None:
            self._log = await self._updates.addLog(self._step.stepid, NAME, "h")
        await State.find(self._master).do(rewrite_log, Model, self._log, page)
        self._page = page
