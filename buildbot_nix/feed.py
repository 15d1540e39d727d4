"""How many builds Buildbot is given at once, and whose.

Buildbot lists all unclaimed requests again for every build it starts, so a thousand waiting
requests cost a million rows. The graphs of the runs hold the queue instead; Buildbot gets what the
slots of a machine can take soon, one build of each run in turn.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Source(Protocol):
    """A run that has builds to give."""

    def start_one(self) -> bool:
        """Starts one build, owing a :meth:`Feed.release`; False if none is ready now."""


class Feed:
    """The slots of one machine.

    More builds are requested at once than there are slots, so that a slot that becomes free finds
    a request waiting.
    """

    def __init__(self, slots: int) -> None:
        self._requested = 0
        self._sources: deque[Source] = deque()
        self.set_slots(slots)

    def set_slots(self, slots: int) -> None:
        """The machine has ``slots`` slots now; see :class:`Feed` for what that comes to."""
        self._capacity = slots + max(1, slots // 2)
        self._fill()

    def offer(self, source: Source) -> None:
        """``source`` may have something ready."""
        if source not in self._sources:
            self._sources.append(source)
        self._fill()

    def release(self, source: Source) -> None:
        """A build of ``source`` has ended, which may have made others ready."""
        self._requested -= 1
        self.offer(source)

    def withdraw(self, source: Source) -> None:
        """``source`` will never have anything again."""
        if source in self._sources:
            self._sources.remove(source)

    def _fill(self) -> None:
        while self._sources and self._requested < self._capacity:
            source = self._sources.popleft()
            if source.start_one():
                self._requested += 1
                self._sources.append(source)
