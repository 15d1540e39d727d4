"""What the master has had since its start is not looked through for garbage again and again."""

from __future__ import annotations

import gc

from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.python import log

from buildbot_nix._native import Plan
from buildbot_nix.in_turn import until_settled


class Heap(BuildbotService):
    """Takes the objects of a configuration out of sight of Python's garbage collector.

    There are a million of them, and a full collection visits each: a tenth of a second or three in
    which the reactor stands still, every few thousand events.
    """

    name = "nix-heap"

    def checkConfig(self, plan: Plan) -> None:
        """A plan is another one whenever the configuration was read."""

    @async_to_deferred
    async def reconfigService(self, plan: Plan) -> None:  # type: ignore[override]
        await super().reconfigService()
        # Not waited for: whoever configures the master has to end first.
        self._renew().addErrback(lambda failure: log.err(failure, "while looking for garbage"))

    @async_to_deferred
    async def _renew(self) -> None:
        assert self.master is not None
        await until_settled(self.master)
        renew()


def renew() -> None:
    """Frees what the last configuration has left behind, and keeps the rest."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
