"""How long what is kept: a rule for each table."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection
from twisted.internet.task import LoopingCall
from twisted.python import log

from buildbot_nix.database import Patience
from buildbot_nix.state import (
    buildbot_rows,
    deliveries,
    failures,
    heads,
    job_sets,
    outbox,
    sessions,
)
from buildbot_nix.state.database import State

#: Seconds between looks.
INTERVAL = 3600
#: Rows that are deleted in one transaction, so that others come to theirs in between.
ROWS_MAX = 1000


class Rule(NamedTuple):
    """What becomes of the rows of one table."""

    #: Key of the settings below ``retention`` that says for how long they are kept.
    name: str
    #: Deletes up to so many (the last argument) rows that are older than a time, and returns how
    #: many it deleted.
    prune: Callable[[Connection, int, int], int]


#: Each table has one.
RULES = (
    Rule("deliveries", deliveries.prune),
    Rule("failures", failures.prune),
    Rule("heads", heads.prune),
    Rule("job_sets", job_sets.prune),
    Rule("sessions", sessions.prune),
    Rule("statuses", outbox.prune),
    Rule("logs", buildbot_rows.prune_logs),
    Rule("builds", buildbot_rows.prune_builds),
    # After builds: those of which there is none any more.
    Rule("builds", buildbot_rows.prune_builders),
)


class Janitor(BuildbotService):
    """Migrates the tables when the master starts, makes its operations patient, and deletes what is
    old from then on."""

    SERVICE_NAME: ClassVar[str] = "nix-janitor"

    name = SERVICE_NAME

    def checkConfig(self, retention: dict[str, int]) -> None:
        """``retention`` has seconds, by name of the rule."""
        missing = {rule.name for rule in RULES} - retention.keys()
        assert not missing, f"no retention for {missing}"

    @async_to_deferred
    async def reconfigService(self, retention: dict[str, int]) -> None:  # type: ignore[override]
        await super().reconfigService()
        self._retention = retention

    @async_to_deferred
    async def startService(self) -> None:
        pool = self.master.db.pool
        assert pool is not None
        self._patience = Patience(pool.engine)
        # First, so that a master whose database does not fit does not start.
        await State.find(self.master).migrate()
        await super().startService()
        self._loop = LoopingCall(self._clean)
        self._loop.clock = self.master.reactor
        self._loop.start(INTERVAL, now=False)

    @async_to_deferred
    async def stopService(self) -> None:
        self._patience.stop()
        self._loop.stop()
        await super().stopService()

    @async_to_deferred
    async def _clean(self) -> None:
        try:
            await self.clean()
        except Exception:
            # The next look comes.
            log.err(None, "while deleting what is old")

    @async_to_deferred
    async def clean(self) -> None:
        """Deletes all that is older than it may be."""
        state = State.find(self.master)
        for rule in RULES:
            before = int(time.time()) - self._retention[rule.name]
            while await state.do(rule.prune, before, ROWS_MAX) == ROWS_MAX:
                pass
