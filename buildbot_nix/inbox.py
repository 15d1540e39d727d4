"""Deliveries of forges, from the moment they are verified until the master has acted on them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

from buildbot.master import BuildMaster
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log
from twisted.python.failure import Failure

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Delivery, ForgeKind, Plan
from buildbot_nix.deeds import Deeds
from buildbot_nix.errors import BuildbotNixError, StoppedError
from buildbot_nix.in_turn import InTurn, until_settled
from buildbot_nix.projects import Projects
from buildbot_nix.state import DeliveryTable, State, StoredDelivery


class Inbox(BuildbotService):
    """Keeps deliveries and sees to it that each is acted on once, in the order of its repository.

    Those that come while the database writes are written together, so that a burst of them takes
    few transactions.
    """

    SERVICE_NAME: ClassVar[str] = "nix-inbox"

    name = SERVICE_NAME

    def checkConfig(self, plan: Plan) -> None:
        pass

    @async_to_deferred
    async def reconfigService(self, plan: Plan) -> None:  # type: ignore[override]
        await super().reconfigService()
        self._plan = plan

    @classmethod
    def find(cls, master: BuildMaster) -> Inbox | None:
        """That of ``master``, once it has started."""
        service: Inbox | None = master.service_manager.namedServices.get(cls.SERVICE_NAME)
        return service if service is not None and service.running else None

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        self._table = DeliveryTable(State.find(self.master))
        self._incoming: list[tuple[Delivery, defer.Deferred[bool]]] = []
        self._is_writing = False
        self._running: set[defer.Deferred[None]] = set()
        # Not now: nothing listens to changes yet.
        self._resuming = self.master.reactor.callLater(0, self._resume)

    @async_to_deferred
    async def stopService(self) -> None:
        if self._resuming.active():
            self._resuming.cancel()
        # What is not done is taken up at the next start.
        for running in list(self._running):
            running.cancel()
        await super().stopService()

    @async_to_deferred
    async def take(self, forge: ForgeKind, headers: Mapping[str, str], body: bytes) -> bool:
        """Keeps the delivery of ``forge`` to act on it soon; returns whether it is new.

        Raises ``EventError`` if it is refused and ``MachineError`` if it cannot be checked.
        """
        delivery = await in_thread(self._plan.receive, forge, dict(headers), body)
        is_new = await self._keep(delivery)
        if not is_new:
            log.msg(f"delivery {delivery.id} of {forge.word} was here before")
        return is_new

    def _keep(self, delivery: Delivery) -> defer.Deferred[bool]:
        """Fires with whether it is new, as soon as it is in the database."""
        kept: defer.Deferred[bool] = defer.Deferred(_give_up)
        self._incoming.append((delivery, kept))
        if not self._is_writing:
            self._is_writing = True
            self._write().addErrback(log_failure, "while keeping deliveries")
        return kept

    @async_to_deferred
    async def _write(self) -> None:
        try:
            while self._incoming:
                portion, self._incoming = self._incoming, []
                try:
                    new = await self._table.add([_stored(delivery) for delivery, _ in portion])
                except Exception as error:
                    for _, kept in portion:
                        _fire(kept, error)
                    continue
                for delivery, kept in portion:
                    key = (delivery.forge.word, delivery.id)
                    is_new = key in new
                    new.discard(key)
                    # Also if who waited for this has given up.
                    if is_new:
                        self._act(delivery)
                    _fire(kept, is_new)
        finally:
            self._is_writing = False

    @async_to_deferred
    async def _resume(self) -> None:
        """Acts on what was kept before the last end of the master."""
        try:
            for stored in await self._table.undone():
                self._act(Delivery.read(stored.text))
        except Exception:
            log.err(None, "while looking for deliveries that were not acted on")

    def _act(self, delivery: Delivery) -> None:
        acting = self._act_in_turn(delivery)
        self._running.add(acting)
        acting.addErrback(_log_unless_cancelled, delivery)
        acting.addBoth(lambda _: self._running.discard(acting))

    def _act_in_turn(self, delivery: Delivery) -> defer.Deferred[None]:
        turns = InTurn.find(self.master)
        key = f"{delivery.forge.word}:{delivery.repository or ''}"
        return turns.do(key, lambda: self._act_now(delivery))

    async def _act_now(self, delivery: Delivery) -> None:
        await until_settled(self.master)
        about = f"{delivery.forge.word} delivery {delivery.id}"
        decision = self._plan.decide(delivery)
        if decision.refresh is not None:
            Projects.find(self.master).refresh(delivery.forge, decision.refresh)
        try:
            await Deeds(self.master, self._plan).do(decision, about)
        except StoppedError:
            # Other settings were read: those who are asked now are asked again. If the master
            # stops, it is taken up at the next start.
            if self.running:
                self._act(delivery)
            return
        except BuildbotNixError as error:
            # The next look at the forge makes up for it.
            log.msg(f"{about}: {error}")
        await self._table.done(delivery.forge.word, delivery.id)


def log_failure(failure: Failure, what: str) -> None:
    """Logs what nobody waits for."""
    log.err(failure, what)


def _stored(delivery: Delivery) -> StoredDelivery:
    return StoredDelivery(delivery.forge.word, delivery.id, delivery.text, time.time())


def _give_up(_: defer.Deferred[bool]) -> None:
    """Who does not want to wait any more is not waited for; the delivery is kept all the same."""


def _fire(waiting: defer.Deferred[bool], result: bool | Exception) -> None:
    if waiting.called:
        return
    if isinstance(result, Exception):
        waiting.errback(result)
    else:
        waiting.callback(result)


def _log_unless_cancelled(failure: Failure, delivery: Delivery) -> None:
    if not failure.check(defer.CancelledError):
        log.err(failure, f"while acting on delivery {delivery.id} of {delivery.forge.word}")
