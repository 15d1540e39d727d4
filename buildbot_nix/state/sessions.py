"""Table ``nix_sessions``: who is logged in."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import sqlalchemy as sa
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection

from buildbot_nix.state.database import State
from buildbot_nix.state.tables import METADATA, older_than, put

SESSIONS = sa.Table(
    "nix_sessions",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False, server_default=""),
    sa.Column("full_name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("avatar", sa.Text, nullable=False),
    sa.Column("memberships", sa.JSON, nullable=False),
    sa.Column("checked_at", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.Integer, nullable=False),
    sa.Index("nix_sessions_expires_at", "expires_at"),
)

prune = older_than(SESSIONS.c.expires_at)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """Somebody who has logged in on one browser."""

    #: A digest of what the browser has, which nobody who reads the database can use.
    key: str
    provider: str
    login: str
    #: What the provider knows them by, whatever they are called.
    id: str
    full_name: str
    email: str
    #: URL of a picture; empty if there is none.
    avatar: str
    #: Organisations, teams or groups that they are in.
    memberships: list[str]
    #: When that was last asked, and until when they are logged in: seconds since 1970.
    checked_at: int
    expires_at: int


class SessionTable:
    """All of them."""

    def __init__(self, state: State) -> None:
        self._state = state

    @async_to_deferred
    async def all(self, now: int) -> list[StoredSession]:
        """Those that have not expired at ``now``."""
        return await self._state.do(find, now)

    @async_to_deferred
    async def store(self, session: StoredSession) -> None:
        """It is new, or has changed."""
        await self._state.do(put, SESSIONS, [asdict(session)])

    @async_to_deferred
    async def end(self, key: str) -> None:
        """They have logged out."""
        await self._state.do(end, key)


def find(connection: Connection, now: int) -> list[StoredSession]:
    """Runs in a thread, as all that takes a connection."""
    query = sa.select(SESSIONS).where(SESSIONS.c.expires_at > now)
    return [StoredSession(**row) for row in connection.execute(query).mappings()]


def end(connection: Connection, key: str) -> None:
    connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.key == key))
