"""How many builds run at once on a machine, and whose.

The graphs of the runs hold the queue; whose turn it is when a slot becomes free is decided in Rust.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet import defer

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

    priority = Priority.ByHand

    def __init__(self, feed: Feed, project: str) -> None:
        super().__init__(lambda _: feed.withdraw(self))
        self.project = project

    def start_one(self) -> bool:
        if self.called:
            return False
        self.callback(None)
        return True


class Feed:
    """The slots of one machine."""

    def __init__(self, slots: int) -> None:
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

    def enter(self, project: str) -> Place:
        """A slot for a build that somebody asked for by hand."""
        place = Place(self, project)
        self.offer(place)
        return place

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
