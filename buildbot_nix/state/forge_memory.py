"""Table ``nix_forge_memory``: what is known of forges and saves requests after a restart, such as
what did not change. One row."""

from __future__ import annotations

import sqlalchemy as sa
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection

from buildbot_nix.state.database import State
from buildbot_nix.state.tables import METADATA, put

MEMORY = sa.Table(
    "nix_forge_memory",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("memory", sa.LargeBinary, nullable=False),
)

#: The row.
ID = 1


class ForgeMemory:
    """It is no loss if it is lost."""

    def __init__(self, state: State) -> None:
        self._state = state

    @async_to_deferred
    async def read(self) -> bytes | None:
        """What was kept."""
        return await self._state.do(read)

    @async_to_deferred
    async def keep(self, memory: bytes) -> None:
        """Keeps it in place of what was."""
        await self._state.do(put, MEMORY, [{"id": ID, "memory": memory}])


def read(connection: Connection) -> bytes | None:
    """Runs in a thread, as all that takes a connection."""
    return connection.execute(sa.select(MEMORY.c.memory).where(MEMORY.c.id == ID)).scalar()
