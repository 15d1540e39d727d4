"""Table ``nix_repositories``: the repositories of forges that are built, so that a master can start
while a forge is down.

Rows go when their repository does, not with their age.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection

from buildbot_nix.state.database import State
from buildbot_nix.state.tables import METADATA, put

REPOSITORIES = sa.Table(
    "nix_repositories",
    METADATA,
    sa.Column("forge", sa.Text, primary_key=True),
    # The forge's number.
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    # Native text of it.
    sa.Column("text", sa.Text, nullable=False),
)


class Repositories:
    """All of them."""

    def __init__(self, state: State) -> None:
        self._state = state

    @async_to_deferred
    async def of(self, forge: str) -> list[str]:
        """Native texts of those of ``forge``."""
        return await self._state.do(find, forge)

    @async_to_deferred
    async def replace(self, forge: str, texts: Mapping[int, str]) -> None:
        """From now on, ``forge`` has these: native texts by number."""
        await self._state.do(replace, forge, texts)


def known_repositories(url: str | sa.URL) -> list[str]:
    """Native texts of all repositories in the database at ``url``. Blocks: for the configuration,
    which is loaded before Buildbot opens its database."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            # A new database has no tables yet.
            if not sa.inspect(connection).has_table(REPOSITORIES.name):
                return []
            return list(connection.execute(sa.select(REPOSITORIES.c.text)).scalars())
    finally:
        engine.dispose()


def find(connection: Connection, forge: str) -> list[str]:
    """Runs in a thread, as all that takes a connection."""
    query = sa.select(REPOSITORIES.c.text).where(REPOSITORIES.c.forge == forge)
    return list(connection.execute(query).scalars())


def replace(connection: Connection, forge: str, texts: Mapping[int, str]) -> None:
    query = sa.select(REPOSITORIES.c.id).where(REPOSITORIES.c.forge == forge)
    gone = set(connection.execute(query).scalars()) - texts.keys()
    for id in gone:
        row = sa.delete(REPOSITORIES).where(REPOSITORIES.c.forge == forge)
        connection.execute(row.where(REPOSITORIES.c.id == id))
    rows = [{"forge": forge, "id": id, "text": text} for id, text in texts.items()]
    put(connection, REPOSITORIES, rows)
