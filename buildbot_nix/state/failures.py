"""Table ``nix_failures``: derivations of a project whose builder failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection

from buildbot_nix.state.database import State
from buildbot_nix.state.tables import METADATA, older_than, portions, put

FAILURES = sa.Table(
    "nix_failures",
    METADATA,
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("derivation", sa.Text, primary_key=True),
    sa.Column("attr", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("failed_at", sa.Integer, nullable=False),
    sa.Index("nix_failures_failed_at", "failed_at"),
)

prune = older_than(FAILURES.c.failed_at)


@dataclass(frozen=True, slots=True)
class Failure:
    """A derivation that need not be tried again."""

    project: str
    derivation: str
    #: As it was called in the run that built it.
    attr: str
    #: The page of that build.
    url: str
    #: Seconds since 1970.
    failed_at: int


class Failures:
    """Those of one project: whose builds one may see is decided for each project."""

    def __init__(self, state: State, project: str) -> None:
        self._state = state
        self._project = project

    @async_to_deferred
    async def of(self, derivations: Collection[str], since: int) -> dict[str, Failure]:
        """Which of ``derivations`` have failed since a time, by derivation."""
        found = await self._state.do(find, self._project, derivations, since)
        return {failure.derivation: failure for failure in found}

    @async_to_deferred
    async def remember(self, failures: Sequence[Failure]) -> None:
        """They have failed now, whether they did before or not."""
        await self._state.do(put, FAILURES, [asdict(failure) for failure in failures])

    @async_to_deferred
    async def forget_all(self) -> None:
        """All of the project are to be tried again."""
        await self._state.do(forget_all, self._project)

    @async_to_deferred
    async def forget(self, derivations: Collection[str]) -> None:
        """They are to be tried again, or were and work."""
        await self._state.do(forget, self._project, derivations)


def find(
    connection: Connection, project: str, derivations: Collection[str], since: int
) -> list[Failure]:
    """Runs in a thread, as all that takes a connection."""
    found: list[Failure] = []
    for portion in portions(derivations):
        query = _of(sa.select(FAILURES), project, portion).where(FAILURES.c.failed_at >= since)
        found.extend(Failure(**row) for row in connection.execute(query).mappings())
    return found


def forget(connection: Connection, project: str, derivations: Collection[str]) -> None:
    for portion in portions(derivations):
        connection.execute(_of(sa.delete(FAILURES), project, portion))


def forget_all(connection: Connection, project: str) -> None:
    connection.execute(sa.delete(FAILURES).where(FAILURES.c.project == project))


def _of(query: Any, project: str, derivations: Collection[str]) -> Any:
    return query.where(FAILURES.c.project == project, FAILURES.c.derivation.in_(derivations))
