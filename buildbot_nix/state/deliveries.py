"""Table ``nix_deliveries``: what forges told, until the master has acted on it; and that they did,
so that nobody can tell it once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection

from buildbot_nix.state.database import State
from buildbot_nix.state.tables import METADATA, older_than, portions

DELIVERIES = sa.Table(
    "nix_deliveries",
    METADATA,
    sa.Column("forge", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    # Of the native delivery; null as soon as it was acted on.
    sa.Column("text", sa.Text, nullable=True),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Index("nix_deliveries_received_at", "received_at"),
)

prune = older_than(DELIVERIES.c.received_at)


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One that came in."""

    forge: str
    #: The forge's.
    id: str
    text: str
    #: Seconds since 1970.
    received_at: float

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others."""
        return self.forge, self.id


class DeliveryTable:
    """All of them."""

    def __init__(self, state: State) -> None:
        self._state = state

    @async_to_deferred
    async def add(self, deliveries: Sequence[StoredDelivery]) -> set[tuple[str, str]]:
        """Keeps those that were not there before, and returns their keys."""
        return await self._state.do(add, deliveries)

    @async_to_deferred
    async def undone(self) -> list[StoredDelivery]:
        """Those that were not acted on, the oldest first."""
        return await self._state.do(undone)

    @async_to_deferred
    async def done(self, forge: str, id: str) -> None:
        """It was acted on."""
        await self._state.do(done, forge, id)


def add(connection: Connection, deliveries: Sequence[StoredDelivery]) -> set[tuple[str, str]]:
    """Runs in a thread, as all that takes a connection."""
    new = {delivery.key: delivery for delivery in reversed(deliveries)}
    key = sa.tuple_(DELIVERIES.c.forge, DELIVERIES.c.id)
    for portion in portions(list(new)):
        query = sa.select(DELIVERIES.c.forge, DELIVERIES.c.id).where(key.in_(portion))
        for forge, id in connection.execute(query):
            del new[forge, id]
    if new:
        rows = sorted(new.values(), key=lambda delivery: delivery.received_at)
        connection.execute(DELIVERIES.insert(), [asdict(row) for row in rows])
    return set(new)


def undone(connection: Connection) -> list[StoredDelivery]:
    query = sa.select(DELIVERIES).where(DELIVERIES.c.text.is_not(None))
    rows = connection.execute(query.order_by(DELIVERIES.c.received_at)).mappings()
    return [StoredDelivery(**row) for row in rows]


def done(connection: Connection, forge: str, id: str) -> None:
    query = sa.update(DELIVERIES).values(text=None)
    connection.execute(query.where(DELIVERIES.c.forge == forge, DELIVERIES.c.id == id))
