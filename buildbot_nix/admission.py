"""Which evaluations run now: as many as the machine has memory for, projects in turn."""

from __future__ import annotations

from collections import OrderedDict

from twisted.internet import defer

#: A place that is waited for; fires when it is given.
Place = defer.Deferred[None]


class Admission:
    """The evaluations of one machine.

    A project with twenty pull requests waits no longer and no shorter for its next turn than one
    with a single push. Within a project the newest comes first: somebody looks at it.
    """

    def __init__(self, places: int) -> None:
        self._running = 0
        self._places = places
        #: By project, in the order of their turns; the last of each list is the newest.
        self._waiting: OrderedDict[str, list[Place]] = OrderedDict()

    @property
    def places(self) -> int:
        """Evaluations that run at once."""
        return self._places

    def set_places(self, places: int) -> None:
        """From now on, ``places`` evaluations run at once."""
        self._places = places
        self._admit()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(len(places) for places in self._waiting.values())

    def enter(self, project: str) -> Place:
        """Fires when the project may evaluate, which it owes a :meth:`leave`. Cancelling it
        gives up waiting."""
        place: Place = defer.Deferred(lambda gone: self._forget(project, gone))
        self._waiting.setdefault(project, []).append(place)
        self._admit()
        return place

    def leave(self) -> None:
        """An evaluation has ended."""
        self._running -= 1
        self._admit()

    def _forget(self, project: str, place: Place) -> None:
        places = self._waiting.get(project, [])
        if place in places:
            places.remove(place)
        if not places:
            self._waiting.pop(project, None)

    def _admit(self) -> None:
        while self._waiting and self._running < self._places:
            project, places = self._waiting.popitem(last=False)
            place = places.pop()
            if places:
                self._waiting[project] = places
            self._running += 1
            place.callback(None)
