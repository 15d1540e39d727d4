"""How many builds run at once on a machine, and whose.

The graphs of the runs hold the queue; whose turn it is when a slot becomes free is decided in Rust.
"""

from __future__ import annotations

from typing import Protocol

from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer, reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from buildbot_nix._native import Priority, Turns


class Source(Protocol):
    """A run that has builds to give."""

    @property
    def project(self) -> str:
        """Projects take turns."""

    @property
    def priority(self) -> Priority:
        """How urgent its builds are."""

    def start_one(self) -> bool:
        """Starts one build, owing a :meth:`Feed.release`; False if none is ready now."""


class Place(defer.Deferred[None]):
    """A slot for one build that somebody waits for; fires when it is free. Its end is a
    :meth:`Feed.release`."""

    def __init__(self, feed: Feed, project: str, priority: Priority) -> None:
        super().__init__(lambda _: feed.withdraw(self))
        self.project = project
        self.priority = priority

    def start_one(self) -> bool:
        if self.called:
            return False
        self.callback(None)
        return True


class Slot:
    """The slot of one build, which gives it back while there is nothing to do but wait."""

    def __init__(self, feed: Feed, source: Source) -> None:
        self._feed = feed
        self._source = source
        self._is_held = True
        self._waiting: defer.Deferred[None] | None = None

    @async_to_deferred
    async def rest(self, seconds: float) -> None:
        """Waits without the slot, and then for one. Raises ``CancelledError`` after
        :meth:`cancel`."""
        self.release()
        await self._wait(deferLater(self._feed.clock, seconds, lambda: None))
        await self._wait(self._feed.enter(self._source.project, self._source.priority))
        self._is_held = True

    @property
    def rests(self) -> bool:
        """Whether a :meth:`rest` goes on."""
        return self._waiting is not None

    async def _wait(self, waiting: defer.Deferred[None]) -> None:
        self._waiting = waiting
        try:
            await waiting
        finally:
            self._waiting = None

    def cancel(self) -> None:
        """Ends a :meth:`rest`."""
        if self._waiting is not None:
            self._waiting.cancel()

    def release(self) -> None:
        """The build has ended, or rests."""
        if self._is_held:
            self._is_held = False
            self._feed.release(self._source)


class Feed:
    """The slots of one machine."""

    def __init__(self, slots: int, clock: IReactorTime = reactor) -> None:
        self.clock = clock
        self._taken = 0
        self._turns = Turns()
        #: What waits for a slot, by the number that it has in ``_turns``.
        self._sources: dict[int, Source] = {}
        self.set_slots(slots)

    @property
    def slots(self) -> int:
        """Builds that run at once."""
        return self._slots

    @property
    def taken(self) -> int:
        """Builds that run now."""
        return self._taken

    def set_slots(self, slots: int) -> None:
        """The machine has ``slots`` slots now."""
        self._slots = slots
        self._fill()

    def offer(self, source: Source) -> None:
        """``source`` may have something ready."""
        self._queue(source)
        self._fill()

    def enter(self, project: str, priority: Priority = Priority.ByHand) -> Place:
        """A slot for one build."""
        place = Place(self, project, priority)
        self.offer(place)
        return place

    def slot(self, source: Source) -> Slot:
        """The one that ``source`` was given when it started a build."""
        return Slot(self, source)

    def release(self, source: Source) -> None:
        """A build of ``source`` has ended, which may have made others ready."""
        self._taken -= 1
        self.offer(source)

    def withdraw(self, source: Source) -> None:
        """``source`` will never have anything again."""
        self._turns.remove(id(source))
        self._sources.pop(id(source), None)

    def _queue(self, source: Source) -> None:
        self._sources[id(source)] = source
        self._turns.add(id(source), source.priority, source.project)

    def _fill(self) -> None:
        while self._taken < self._slots and (number := self._turns.take()) is not None:
            source = self._sources.pop(number)
            # Before it starts: a build that ends at once is released meanwhile.
            self._taken += 1
            if source.start_one():
                self._turns.given()
                self._queue(source)
            else:
                self._taken -= 1
