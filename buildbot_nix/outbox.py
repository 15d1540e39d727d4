"""Stage outbox: forges get the statuses of commits, however long it takes.

What is to be told is a row in the database first, and a request second. The native queue decides
which row is next; this reads it, sends it and writes down what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from buildbot.master import BuildMaster
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.internet.base import DelayedCall
from twisted.python import log

from buildbot_nix import _native
from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Fault, ForgeRepository, Forges, StatusRow
from buildbot_nix.errors import (
    BuildbotNixError,
    ConfigError,
    ForgeAuthError,
    ForgeNotFoundError,
    ForgeRateLimitedError,
    ForgeRefusedError,
    ForgeUnavailableError,
    MachineError,
    StoppedError,
)
from buildbot_nix.forges import ForgeService
from buildbot_nix.state import State
from buildbot_nix.state.outbox import ROWS_MAX, Key, Letter, OutboxTable, Status

#: Tells a forge, in a thread, and returns the number of the check run if it is one. Raises
#: ``BuildbotNixError``.
Post = Callable[[Letter], int | None]

#: Everything else is a defect, which may pass by itself.
FAULTS: dict[type[BuildbotNixError], Fault] = {
    ForgeAuthError: Fault.Auth,
    ForgeNotFoundError: Fault.NotFound,
    ForgeRateLimitedError: Fault.RateLimited,
    ForgeUnavailableError: Fault.Unavailable,
    ForgeRefusedError: Fault.Refused,
    # A secret that cannot be read, a forge that is not in the settings: for an admin too.
    MachineError: Fault.Auth,
    ConfigError: Fault.Auth,
    # The master stops, or reads other settings of forges: it is told by what comes next.
    StoppedError: Fault.Unavailable,
}


class Outbox(BuildbotService):
    """Sends what is in the table, now and after every start."""

    SERVICE_NAME: ClassVar[str] = "nix-outbox"

    name = SERVICE_NAME

    @classmethod
    def find(cls, master: BuildMaster) -> Outbox:
        """That of ``master``."""
        outbox: Outbox = master.service_manager.namedServices[cls.SERVICE_NAME]
        return outbox

    @async_to_deferred
    async def startService(self) -> None:
        self._table = OutboxTable(State.find(self.master))
        self._queue = _native.Outbox()
        self._due: DelayedCall | None = None
        self._on_their_way: set[defer.Deferred[None]] = set()
        await super().startService()
        self._load().addErrback(lambda failure: log.err(failure, "while reading the outbox"))

    @async_to_deferred
    async def stopService(self) -> None:
        await super().stopService()
        self._wake_at(None)
        # What they come to is written while there is a database.
        await defer.DeferredList(list(self._on_their_way))

    @async_to_deferred
    async def tell(self, statuses: Sequence[Status]) -> None:
        """Forges are to know ``statuses``. They are kept when this returns."""
        await self._table.put(statuses)
        for status in statuses:
            self._queue.put(status.key, status.state)
        self._send_all()

    @async_to_deferred
    async def _load(self) -> None:
        """What was to be told when the master stopped."""
        # Services start in any order, and this needs that of the forges.
        await self.master.initLock.run(lambda: None)
        after: Key | None = None
        while self.running:
            waiting = await self._table.waiting(after)
            for key, state in waiting:
                self._queue.put(key, state)
            self._send_all()
            if len(waiting) < ROWS_MAX:
                break
            after = waiting[-1][0]

    def postman(self) -> Post:
        """Who tells forges."""
        forges = ForgeService.find(self.master)
        return lambda letter: deliver(forges, letter)

    def _send_all(self) -> None:
        """Everything that may be sent now."""
        while self.running and (key := self._queue.take(self._now())) is not None:
            sending = self._send(Key(*key))
            self._on_their_way.add(sending)
            sending.addBoth(self._sent, sending)
        self._wake_at(self._queue.next_at() if self.running else None)

    def _sent(self, result: object, sending: defer.Deferred[None]) -> None:
        self._on_their_way.discard(sending)
        self._send_all()

    def _wake_at(self, time: float | None) -> None:
        if self._due is not None and self._due.active():
            self._due.cancel()
        if time is not None:
            delay = max(0, time - self._now())
            self._due = self.master.reactor.callLater(delay, self._send_all)

    @async_to_deferred
    async def _send(self, key: Key) -> None:
        """Sends the row of ``key`` as it is now. Fails never."""
        try:
            letter = await self._table.letter(key)
            if letter is None:
                self._queue.dropped(key)
                return
            try:
                check_run = await in_thread(self.postman(), letter)
            except BuildbotNixError as error:
                await self._not_taken(key, letter, error)
            else:
                await self._table.told(letter, check_run)
                self._queue.delivered(key)
        except Exception:
            log.err(None, f"while telling {describe(key)}")
            self._queue.failed(key, Fault.Unavailable, self._now())

    async def _not_taken(self, key: Key, letter: Letter, error: BuildbotNixError) -> None:
        fault = FAULTS.get(type(error))
        wait = error.retry_after if isinstance(error, ForgeRateLimitedError) else 0
        if fault is None:
            log.err(error, f"while telling {describe(key)}")
            fault = Fault.Unavailable
        if self._queue.failed(key, fault, self._now(), wait):
            log.msg(f"buildbot-nix: later again: {describe(key)}: {error}")
        else:
            log.msg(f"buildbot-nix: not again: {describe(key)}: {error}")
            await self._table.refused(letter, str(error))

    def _now(self) -> float:
        return float(self.master.reactor.seconds())


def deliver(forges: Forges, letter: Letter) -> int | None:
    """Tells a forge; blocks."""
    repository = ForgeRepository.restore(letter.status.target)
    row = row_of(letter.status)
    return forges.tell(repository, letter.status.sha, row, letter.check_run)


def row_of(status: Status) -> StatusRow:
    """A kept status as the native side has it."""
    return StatusRow(
        context=status.context,
        state=status.state,
        description=status.description,
        url=status.url,
        run=status.run,
        build=status.build,
        page=status.page,
        standing=status.standing,
    )


def describe(key: Key) -> str:
    """What is told, for logs."""
    return f"{key.forge} `{key.context}` of {key.repository} at {key.sha}"
