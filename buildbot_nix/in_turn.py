"""What is done about one repository is done in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from buildbot.master import BuildMaster
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer

Result = TypeVar("Result")

#: Repositories about which something is done at the same time.
PARALLEL = 8


async def until_settled(master: BuildMaster) -> None:
    """Waits until ``master`` has started and is not being reconfigured: all services are there."""
    await master.initLock.run(lambda: None)


class InTurn:
    """The turns of all repositories of a master."""

    _of: WeakKeyDictionary[BuildMaster, InTurn] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._turns: dict[str, defer.DeferredLock] = {}
        self._places = defer.DeferredSemaphore(PARALLEL)

    @classmethod
    def find(cls, master: BuildMaster) -> InTurn:
        """Those of ``master``."""
        return cls._of.setdefault(master, cls())

    @async_to_deferred
    async def do(self, repository: str, act: Callable[[], Awaitable[Result]]) -> Result:
        """Awaits ``act`` when all that came before it about ``repository`` is done; returns what
        that returns."""
        turn = self._turns.setdefault(repository, defer.DeferredLock())
        await turn.acquire()
        try:
            await self._places.acquire()
            try:
                return await act()
            finally:
                self._places.release()
        finally:
            turn.release()
            if not turn.locked:
                self._turns.pop(repository, None)
