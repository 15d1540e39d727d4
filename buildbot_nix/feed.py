"""How many builds run at once on a machine, and whose.

The graphs of the runs hold the queue; a slot that becomes free takes one build of each run in turn.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet import defer


class Source(Protocol):
    """A run that has builds to give."""

    def start_one(self) -> bool:
        """Starts one build, owing a :meth:`Feed.release`; False if none is ready now."""


class Place(defer.Deferred[None]):
    """A slot for one build that somebody waits for; fires when it is free. Its end is a
    :meth:`Feed.release`."""

    def start_one(self) -> bool:
        if self.called:
            return False
        self.callback(None)
        return True


class Feed:
    """The slots of one machine."""

    def __init__(self, slots: int) -> None:
        self._taken = 0
        self._sources: deque[Source] = deque()
        self.set_slots(slots)

    def set_slots(self, slots: int) -> None:
        """The machine has ``slots`` slots now."""
        self._slots = slots
        self._fill()

    def offer(self, source: Source) -> None:
        """``source`` may have something ready."""
        if source not in self._sources:
            self._sources.append(source)
        self._fill()

    def enter(self) -> Place:
        """The next slot, before all runs: somebody asked for this build by hand."""
        place = Place(lambda _: self.withdraw(place))
        self._sources.appendleft(place)
        self._fill()
        return place

    def release(self, source: Source) -> None:
        """A build of ``source`` has ended, which may have made others ready."""
        self._taken -= 1
        self.offer(source)

    def withdraw(self, source: Source) -> None:
        """``source`` will never have anything again."""
        if source in self._sources:
            self._sources.remove(source)

    def _fill(self) -> None:
        while self._sources and self._taken < self._slots:
            source = self._sources.popleft()
            if source.start_one():
                self._taken += 1
                self._sources.append(source)
