"""Table ``nix_heads``: what branches and pull requests of forges were at when the master looked or
was told last, and what waits there for a member's word."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection

from buildbot_nix.state.database import State
from buildbot_nix.state.tables import METADATA, older_than, portions, put

HEADS = sa.Table(
    "nix_heads",
    METADATA,
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("branch", sa.Text, primary_key=True),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("held", sa.Text, nullable=True),
    sa.Column("seen_at", sa.Integer, nullable=False),
    sa.Index("nix_heads_seen_at", "seen_at"),
)

prune = older_than(HEADS.c.seen_at)


@dataclass(frozen=True, slots=True)
class KnownHead:
    """What one is at."""

    project: str
    #: As changes call it.
    branch: str
    #: Native text of it.
    head: str
    #: Native text of the build that is held back, if one is.
    held: str | None
    #: Seconds since 1970.
    seen_at: int


class KnownHeads:
    """Those of one project."""

    def __init__(self, state: State, project: str) -> None:
        self._state = state
        self._project = project

    @async_to_deferred
    async def of(self, branch: str) -> KnownHead | None:
        """The head of ``branch``, if it is known."""
        return (await self._state.do(find, self._project, [branch])).get(branch)

    @async_to_deferred
    async def all(self) -> dict[str, KnownHead]:
        """All that are known, by branch."""
        return await self._state.do(find, self._project, None)

    @async_to_deferred
    async def put(self, branch: str, head: str, held: str | None, seen_at: int) -> None:
        """``branch`` is at ``head`` now."""
        row = KnownHead(self._project, branch, head, held, seen_at)
        await self._state.do(put, HEADS, [asdict(row)])

    @async_to_deferred
    async def seen(self, branches: Collection[str], seen_at: int) -> None:
        """These still are where they were."""
        await self._state.do(seen, self._project, branches, seen_at)

    @async_to_deferred
    async def forget(self, branch: str | None) -> None:
        """``branch``, or all of the project, is gone."""
        await self._state.do(forget, self._project, branch)


def find(
    connection: Connection, project: str, branches: Collection[str] | None
) -> dict[str, KnownHead]:
    """Runs in a thread, as all that takes a connection."""
    query = sa.select(HEADS).where(HEADS.c.project == project)
    if branches is not None:
        query = query.where(HEADS.c.branch.in_(branches))
    rows = connection.execute(query).mappings()
    return {row["branch"]: KnownHead(**row) for row in rows}


def seen(connection: Connection, project: str, branches: Collection[str], seen_at: int) -> None:
    for portion in portions(branches):
        query = sa.update(HEADS).values(seen_at=seen_at)
        connection.execute(query.where(HEADS.c.project == project, HEADS.c.branch.in_(portion)))


def forget(connection: Connection, project: str, branch: str | None) -> None:
    query = sa.delete(HEADS).where(HEADS.c.project == project)
    if branch is not None:
        query = query.where(HEADS.c.branch == branch)
    connection.execute(query)
