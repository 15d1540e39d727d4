"""Rows of Buildbot's own that nobody else deletes: its tables would grow for ever.

Buildbot has a janitor for logs, which deletes all at once, and none for builds. Rows that belong to
others are deleted here as the database would do if SQLite were told to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from buildbot.db.model import Model
from sqlalchemy.engine import Connection

#: Buildbot's type of a log that was deleted, which its pages say.
DELETED = "d"


def prune_logs(connection: Connection, before: int, limit: int) -> int:
    """Deletes the text of up to ``limit`` logs of steps that ended before a time."""
    logs, steps, chunks = Model.logs, Model.steps, Model.logchunks
    query = (
        sa.select(logs.c.id)
        .join(steps, steps.c.id == logs.c.stepid)
        .where(steps.c.complete_at < before, logs.c.type != DELETED)
        .limit(limit)
    )
    old = list(connection.execute(query).scalars())
    connection.execute(sa.delete(chunks).where(chunks.c.logid.in_(old)))
    connection.execute(sa.update(logs).where(logs.c.id.in_(old)).values(type=DELETED))
    return len(old)


def prune_builds(connection: Connection, before: int, limit: int) -> int:
    """Deletes up to ``limit`` builds that ended before a time, with all that belongs to them. The
    last one of a builder that is configured stays: somebody asks how it is."""
    builds = Model.builds
    last = sa.select(sa.func.max(builds.c.id)).group_by(builds.c.builderid)
    last = last.where(builds.c.builderid.in_(sa.select(Model.builder_masters.c.builderid)))
    query = (
        sa.select(builds.c.id)
        .where(builds.c.complete_at < before, builds.c.id.not_in(last))
        .order_by(builds.c.id)
        .limit(limit)
    )
    old = list(connection.execute(query).scalars())
    steps = of(connection, Model.steps, "buildid", old)
    logs = of(connection, Model.logs, "stepid", steps)
    delete(connection, Model.logchunks, "logid", logs)
    delete(connection, Model.logs, "id", logs)
    delete(connection, Model.steps, "id", steps)
    delete(connection, Model.build_properties, "buildid", old)
    delete(connection, Model.build_data, "buildid", old)
    for column in ("parent_buildid", "rebuilt_buildid"):
        sets = Model.buildsets
        theirs = sets.c[column].in_(old)
        connection.execute(sa.update(sets).where(theirs).values({column: None}))
    requested = sa.select(builds.c.buildrequestid).where(builds.c.id.in_(old))
    requests = list(connection.execute(requested).scalars())
    delete(connection, builds, "id", old)
    prune_requests(connection, requests)
    return len(old)


def prune_requests(connection: Connection, requests: Sequence[int]) -> None:
    """Deletes those that have no build any more, and what they were part of."""
    table, sets = Model.buildrequests, Model.buildsets
    used = sa.select(Model.builds.c.buildrequestid).where(
        Model.builds.c.buildrequestid.in_(requests)
    )
    query = sa.select(table.c.id, table.c.buildsetid).where(
        table.c.id.in_(requests), table.c.id.not_in(used), table.c.complete == 1
    )
    rows = list(connection.execute(query))
    unused, of_sets = [row.id for row in rows], [row.buildsetid for row in rows]
    delete(connection, Model.buildrequest_claims, "brid", unused)
    delete(connection, table, "id", unused)
    left = sa.select(table.c.buildsetid).where(table.c.buildsetid.in_(of_sets))
    empty = sa.select(sets.c.id).where(sets.c.id.in_(of_sets), sets.c.id.not_in(left))
    ids = list(connection.execute(empty).scalars())
    delete(connection, Model.buildset_properties, "buildsetid", ids)
    delete(connection, Model.buildset_sourcestamps, "buildsetid", ids)
    delete(connection, sets, "id", ids)


def prune_builders(connection: Connection, _before: int, limit: int) -> int:
    """Deletes up to ``limit`` builders that are not configured and have no builds left, which were
    those of attributes."""
    table = Model.builders
    used = [
        sa.select(other.c.builderid)
        for other in (Model.builds, Model.buildrequests, Model.builder_masters)
    ]
    unused = sa.select(table.c.id).where(*(table.c.id.not_in(ids) for ids in used)).limit(limit)
    ids = list(connection.execute(unused).scalars())
    delete(connection, Model.builders_tags, "builderid", ids)
    delete(connection, table, "id", ids)
    return len(ids)


def forget_connections(connection: Connection) -> None:
    """Workers are connected to masters that run. One that was killed could not note that its
    workers have left, and Buildbot never does that for it."""
    masters, table = Model.masters, Model.connected_workers
    running = sa.select(masters.c.id).where(masters.c.active == 1)
    connection.execute(sa.delete(table).where(table.c.masterid.not_in(running)))


def of(connection: Connection, table: Any, column: str, owners: Sequence[int]) -> list[int]:
    """Ids of the rows that belong to ``owners``."""
    query = sa.select(table.c.id).where(table.c[column].in_(owners))
    return list(connection.execute(query).scalars())


def delete(connection: Connection, table: Any, column: str, values: Sequence[int]) -> None:
    connection.execute(sa.delete(table).where(table.c[column].in_(values)))
