"""Tables ``nix_job_sets`` and ``nix_job_set_slices``: what evaluations have found.

A run goes on from its job set when its master, worker or machine was lost, and what came of a run
can be told anew when one of its attributes was built again.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection

from buildbot_nix.state.database import State
from buildbot_nix.state.tables import METADATA, put

JOB_SETS = sa.Table(
    "nix_job_sets",
    METADATA,
    sa.Column("request", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("build", sa.Integer, nullable=False),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("properties", sa.Text, nullable=False),
    sa.Column("lost", sa.Text),
    sa.Column("slices", sa.Integer, nullable=False),
    sa.Column("stored_at", sa.Integer, nullable=False),
    sa.Column("ended_at", sa.Integer),
    sa.Index("nix_job_sets_stored_at", "stored_at"),
)
SLICES = sa.Table(
    "nix_job_set_slices",
    METADATA,
    sa.Column("request", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("slice", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class JobSet:
    """What one evaluation has found, without its lines."""

    #: Buildbot's build request, which stays the same when the build is started once more.
    request: int
    project: str
    #: The build that evaluated, after which what it keeps on its machine is called.
    build: int
    #: The machine that has the derivations.
    machine: str
    #: What the checkout has found, as properties of the build.
    properties: dict[str, str]
    #: Attributes that were gone, as text of ``Run.lost_text``.
    lost: str | None
    #: Number of pieces that its lines were stored in.
    slices: int
    #: Seconds since 1970.
    stored_at: int
    #: None as long as the run goes on.
    ended_at: int | None


class JobSets:
    """Those of all projects."""

    def __init__(self, state: State) -> None:
        self._state = state

    @async_to_deferred
    async def store(self, job_set: JobSet, slices: Sequence[bytes]) -> None:
        """Stores what :func:`pack` has made of the lines, and that the set is complete by that."""
        for number, content in enumerate(slices):
            row = {"request": job_set.request, "slice": number, "content": content}
            await self._state.do(put, SLICES, [row])
        await self._state.do(put, JOB_SETS, [row_of(job_set)])

    @async_to_deferred
    async def find(self, request: int) -> JobSet | None:
        """The set of a request, if its evaluation went to its end."""
        found = await self._state.do(select, JOB_SETS.c.request == request)
        return found[0] if found else None

    @async_to_deferred
    async def unfinished(self) -> list[JobSet]:
        """Those whose run goes on, or will when its build is started once more."""
        return await self._state.do(select, JOB_SETS.c.ended_at.is_(None))

    @async_to_deferred
    async def read_slice(self, request: int, number: int) -> bytes:
        """One piece of the lines; empty if somebody has deleted it."""
        return await self._state.do(read_slice, request, number)

    @async_to_deferred
    async def end(self, request: int) -> None:
        """The run has ended. Nothing happens if its set was not stored."""
        await self._state.do(end, request, int(time.time()))


def pack(lines: bytes) -> bytes:
    """Lines of the agent as they are stored. Takes a moment: call it in a thread."""
    return zlib.compress(lines, 1)


def row_of(job_set: JobSet) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(job_set, name) for name in JobSet.__slots__}
    return row | {"properties": json.dumps(job_set.properties)}


def select(connection: Connection, condition: sa.ColumnElement[bool]) -> list[JobSet]:
    rows = connection.execute(sa.select(JOB_SETS).where(condition)).mappings()
    return [JobSet(**{**row, "properties": json.loads(row["properties"])}) for row in rows]


def read_slice(connection: Connection, request: int, number: int) -> bytes:
    query = sa.select(SLICES.c.content).where(SLICES.c.request == request, SLICES.c.slice == number)
    content = connection.execute(query).scalar()
    return zlib.decompress(content) if content else b""


def end(connection: Connection, request: int, now: int) -> None:
    query = JOB_SETS.update().where(JOB_SETS.c.request == request, JOB_SETS.c.ended_at.is_(None))
    connection.execute(query.values(ended_at=now))


def prune(connection: Connection, before: int, limit: int) -> int:
    """Deletes old sets, also of runs that never ended: nobody waits for them any more."""
    old = sa.select(JOB_SETS.c.request).where(JOB_SETS.c.stored_at < before)
    requests = list(connection.execute(old.limit(limit)).scalars())
    for table in (SLICES, JOB_SETS):
        connection.execute(sa.delete(table).where(table.c.request.in_(requests)))
    return len(requests)
