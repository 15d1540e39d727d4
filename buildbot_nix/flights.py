"""Derivations that a machine builds now: who wants one of them too waits for it, without a slot."""

from __future__ import annotations

from typing import Generic, TypeVar

from twisted.internet import defer

#: What those who wait are told of a derivation that does not build.
Failure = TypeVar("Failure")


class Flights(Generic[Failure]):
    """Those of one machine."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[defer.Deferred[Failure | None]]] = {}

    def __contains__(self, drv_path: str) -> bool:
        return drv_path in self._waiting

    def begin(self, drv_path: str) -> None:
        """``drv_path``, which nobody builds, is built from now on; owes an :meth:`end`."""
        assert drv_path not in self
        self._waiting[drv_path] = []

    def wait(self, drv_path: str) -> defer.Deferred[Failure | None]:
        """Fires with the ``failure`` of the :meth:`end`; cancelling it gives up waiting."""
        waiting = self._waiting[drv_path]
        landing: defer.Deferred[Failure | None] = defer.Deferred(waiting.remove)
        waiting.append(landing)
        return landing

    def end(self, drv_path: str, failure: Failure | None) -> None:
        """It is built no more. ``failure`` if nobody needs to try again; else who waits does."""
        for landing in self._waiting.pop(drv_path):
            # One may be cancelled by what another's end leads to.
            if not landing.called:
                landing.callback(failure)
