"""When a forge is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.internet.base import DelayedCall
from twisted.python import log
from twisted.python.failure import Failure

from buildbot_nix.errors import BuildbotNixError

#: Seconds between looks at a forge. Its events make most of them needless.
INTERVAL = 3600
#: Seconds until the next try if a forge does not answer; twice as long each time.
RETRY_SECONDS = 60
#: Seconds that events are collected after the first one that asks for a look.
SETTLE_SECONDS = 2


class Looks:
    """The looks at one forge, one after the other: one at once, then one each hour, and whenever
    somebody asks."""

    def __init__(self, reactor: Any, forge: str, look: Callable[[], defer.Deferred[str]]) -> None:
        """``look`` looks, and fires with a report."""
        self._reactor = reactor
        self._forge = forge
        self._look = look
        self._turn = defer.DeferredLock()
        self._running: defer.Deferred[None] | None = None
        self._retry = RETRY_SECONDS
        self._next: DelayedCall = reactor.callLater(0, self._start, "the master has started")

    def soon(self, reason: str) -> None:
        """Looks in a moment."""
        self._plan(SETTLE_SECONDS, reason)

    def stop(self) -> None:
        """Ends them."""
        if self._next.active():
            self._next.cancel()
        if self._running is not None:
            self._running.cancel()

    @async_to_deferred
    async def now(self, reason: str) -> str:
        """Looks, after the look that goes on, and returns a report."""
        await self._turn.acquire()
        try:
            log.msg(f"looking at {self._forge}: {reason}")
            report = await self._look()
        finally:
            self._turn.release()
        for line in report.splitlines():
            log.msg(f"{self._forge}: {line}")
        self._retry = RETRY_SECONDS
        self._plan(INTERVAL, "it is time")
        return report

    def _plan(self, seconds: float, reason: str) -> None:
        if self._next.active():
            if self._next.getTime() <= self._reactor.seconds() + seconds:
                return
            self._next.cancel()
        self._next = self._reactor.callLater(seconds, self._start, reason)

    def _start(self, reason: str) -> None:
        looking = self.now(reason)
        self._running = looking.addCallbacks(lambda _: None, self._failed)

    def _failed(self, failure: Failure) -> None:
        if failure.check(defer.CancelledError):
            return
        retry, self._retry = self._retry, min(2 * self._retry, INTERVAL)
        if failure.check(BuildbotNixError):
            log.msg(f"{failure.getErrorMessage()}; again in {retry} s")
        else:
            log.err(failure, f"while looking at {self._forge}; again in {retry} s")
        self._plan(retry, "the last look failed")
