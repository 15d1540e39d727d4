"""Table ``nix_outbox``: the statuses of commits, as forges have them or are to get them.

A row stays after the forge has it: how a commit stands is needed when one of its attributes is
built again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from buildbot_nix.state.database import State
from buildbot_nix.state.tables import METADATA, older_than

OUTBOX = sa.Table(
    "nix_outbox",
    METADATA,
    sa.Column("forge", sa.Text, primary_key=True),
    sa.Column("repository", sa.Text, primary_key=True),
    sa.Column("sha", sa.Text, primary_key=True),
    sa.Column("context", sa.Text, primary_key=True),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("run", sa.BigInteger, nullable=False),
    sa.Column("build", sa.BigInteger, nullable=False),
    sa.Column("page", sa.Text, nullable=True),
    sa.Column("standing", sa.Text, nullable=True),
    sa.Column("changed_at", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("waiting", sa.Boolean, nullable=False),
    sa.Column("check_run", sa.BigInteger, nullable=True),
    sa.Column("refusal", sa.Text, nullable=True),
    sa.Index("nix_outbox_waiting", "waiting"),
    sa.Index("nix_outbox_state", "state"),
    sa.Index("nix_outbox_changed_at", "changed_at"),
)
#: Rows that are read at once.
ROWS_MAX = 1000

prune = older_than(OUTBOX.c.changed_at)


class Key(NamedTuple):
    """What tells a status from all others."""

    forge: str
    #: ``<owner>/<name>``
    repository: str
    sha: str
    context: str


class CommitKey(NamedTuple):
    """What tells a commit from all others."""

    forge: str
    repository: str
    sha: str


@dataclass(frozen=True, slots=True)
class Status:
    """What is to be told."""

    forge: str
    repository: str
    sha: str
    context: str
    #: Name of the project.
    project: str
    #: Native text of the repository.
    target: str
    #: Native word for how it is.
    state: str
    description: str
    #: Where to read more.
    url: str
    #: What it is of: rises from one run or rebuild to the next.
    run: int
    #: Id of the build to ask for, should somebody want it again.
    build: int
    #: Native text of its page, and of what all builds come to.
    page: str | None
    standing: str | None
    #: Seconds since 1970.
    changed_at: int

    @property
    def key(self) -> Key:
        return Key(self.forge, self.repository, self.sha, self.context)


@dataclass(frozen=True, slots=True)
class Letter:
    """A status on its way."""

    status: Status
    #: Rises whenever the status changes.
    sequence: int
    #: The forge's number of the check run that it is, if its run has one already.
    check_run: int | None


class Unfinished(NamedTuple):
    """A run or rebuild that some status says goes on."""

    commit: CommitKey
    project: str
    run: int


class OutboxTable:
    """What can be asked of the table."""

    def __init__(self, state: State) -> None:
        self._state = state

    @async_to_deferred
    async def of(self, commit: CommitKey) -> list[Status]:
        """All statuses of ``commit``."""
        return await self._state.do(of_commit, commit)

    @async_to_deferred
    async def put(self, statuses: Sequence[Status]) -> None:
        """These are to be told, each instead of the one with its key."""
        await self._state.do(put, statuses)

    @async_to_deferred
    async def waiting(self, after: Key | None) -> list[tuple[Key, str]]:
        """Up to ``ROWS_MAX`` keys and states of statuses that are to be told, in order."""
        return await self._state.do(waiting, after)

    @async_to_deferred
    async def letter(self, key: Key) -> Letter | None:
        """The status of ``key``, if it is to be told."""
        return await self._state.do(letter, key)

    @async_to_deferred
    async def told(self, letter: Letter, check_run: int | None) -> None:
        """The forge has it, unless it has changed since."""
        await self._state.do(told, letter, check_run)

    @async_to_deferred
    async def refused(self, letter: Letter, reason: str) -> None:
        """The forge will not have it, unless it has changed since."""
        await self._state.do(end, letter, reason)

    @async_to_deferred
    async def unfinished(self) -> list[Unfinished]:
        """What goes on according to some status."""
        return await self._state.do(unfinished)


def of_commit(connection: Connection, commit: CommitKey) -> list[Status]:
    """Runs in a thread, as all that takes a connection."""
    query = sa.select(OUTBOX).where(_is(commit))
    return [_status(row) for row in connection.execute(query).mappings()]


def put(connection: Connection, statuses: Sequence[Status]) -> None:
    if not statuses:
        return
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    query = dialect.insert(OUTBOX)
    new = query.excluded
    changed = {column.name: new[column.name] for column in OUTBOX.c if not column.primary_key}
    changed["sequence"] = OUTBOX.c.sequence + 1
    # Another run is another check run: remarks of one can only be added to.
    changed["check_run"] = sa.case((OUTBOX.c.run == new.run, OUTBOX.c.check_run))
    query = query.on_conflict_do_update(index_elements=list(OUTBOX.primary_key), set_=changed)
    defaults = {"sequence": 1, "waiting": True, "check_run": None, "refusal": None}
    connection.execute(query, [asdict(status) | defaults for status in statuses])


def waiting(connection: Connection, after: Key | None) -> list[tuple[Key, str]]:
    columns = OUTBOX.primary_key.columns
    query = sa.select(*columns, OUTBOX.c.state).where(OUTBOX.c.waiting.is_(True))
    if after is not None:
        query = query.where(sa.tuple_(*columns) > sa.tuple_(*map(sa.literal, after)))
    query = query.order_by(*columns).limit(ROWS_MAX)
    return [(Key(*key), state) for *key, state in connection.execute(query)]


def letter(connection: Connection, key: Key) -> Letter | None:
    query = sa.select(OUTBOX).where(_is(key), OUTBOX.c.waiting.is_(True))
    row = connection.execute(query).mappings().one_or_none()
    return Letter(_status(row), row["sequence"], row["check_run"]) if row else None


def told(connection: Connection, letter: Letter, check_run: int | None) -> None:
    if check_run is not None:
        query = sa.update(OUTBOX).where(_is(letter.status.key), OUTBOX.c.run == letter.status.run)
        connection.execute(query.values(check_run=check_run))
    end(connection, letter, None)


def end(connection: Connection, letter: Letter, refusal: str | None) -> None:
    unchanged = OUTBOX.c.sequence == letter.sequence
    query = sa.update(OUTBOX).where(_is(letter.status.key), unchanged)
    connection.execute(query.values(waiting=False, refusal=refusal))


def unfinished(connection: Connection) -> list[Unfinished]:
    commit = (OUTBOX.c.forge, OUTBOX.c.repository, OUTBOX.c.sha)
    query = sa.select(*commit, OUTBOX.c.project, OUTBOX.c.run).distinct()
    # Without a run, a pull request waits for approval.
    query = query.where(OUTBOX.c.state == "pending", OUTBOX.c.run > 0)
    rows = connection.execute(query)
    return [Unfinished(CommitKey(*commit), project, run) for *commit, project, run in rows]


def _is(key: Key | CommitKey) -> sa.ColumnElement[bool]:
    return sa.and_(*(OUTBOX.c[name] == value for name, value in key._asdict().items()))


def _status(row: Any) -> Status:
    return Status(**{name: row[name] for name in Status.__slots__})
