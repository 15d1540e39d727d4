"""Rows of Buildbot's tables for many builds at once.

Buildbot itself makes about a hundred transactions for one triggered build. What a build comes to in
the end are the same rows however they are written: buildset, request, build, step, log and their
properties. Here those of all builds that have begun or ended lately are written in one
transaction. Tables and columns are those of ``buildbot.db.model`` 4.x.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from buildbot.util.sautils import hash_columns
from sqlalchemy.engine import Connection

from buildbot_nix.records.record import STREAM, End, Ids, Origin, Property, Rebuild

#: Bytes of one piece of a log, ``LogsConnectorComponent.MAX_CHUNK_SIZE``.
CHUNK_BYTES = 65536
#: Names looked up with one statement; databases bound the number of parameters.
NAMES_MAX = 500
#: ``LogsConnectorComponent.COMPRESSION_BYID``; what it calls "gz" has no header of gzip.
RAW, ZLIB = 0, 1


@dataclass(eq=False, slots=True)
class Change:
    """What is to be written of one build."""

    origin: Origin
    worker: int
    builder_name: str
    properties: dict[str, Property]
    rebuild: Rebuild
    step_name: str
    log_name: str
    started_at: int
    #: None if it is new; then this is where its ids are put.
    ids: Ids | None
    #: Lines of the log that were written before.
    lines: int
    text: list[str]
    end: End | None
    log_type: str = field(default=STREAM)
    #: Pieces in which the text was written.
    chunks: int = field(default=0)
    #: Whether the end of its step is known already.
    step_ended: bool = field(default=False)


def write(connection: Connection, tables: Any, changes: Sequence[Change]) -> None:
    """Writes all ``changes``; runs in a thread, within a transaction."""
    new = [change for change in changes if change.ids is None]
    old = [change for change in changes if change.ids is not None and change.end is not None]
    insert(connection, tables, new)
    append(connection, tables, [change for change in changes if change.text])
    finish(connection, tables, old)


def insert(connection: Connection, tables: Any, new: Sequence[Change]) -> None:
    """Builds that are not in the database yet, ended or not."""
    builders = builder_ids(connection, tables, new)
    numbers = last_numbers(connection, tables, set(builders.values()))
    buildsets = ids_of(connection, tables.buildsets, map(buildset, new))
    many(connection, tables.buildset_properties, buildset_properties(new, buildsets))
    many(connection, tables.buildset_sourcestamps, sourcestamps(new, buildsets))
    rows = (request(change, buildset) for change, buildset in zip(new, buildsets, strict=True))
    requests = ids_of(connection, tables.buildrequests, rows)
    numbered = []
    for change in new:
        builder = builders[change.builder_name]
        numbers[builder] = numbers.get(builder, 0) + 1
        numbered.append((builder, numbers[builder]))
    rows = (build(*row) for row in zip(new, requests, numbered, strict=True))
    builds = ids_of(connection, tables.builds, rows)
    many(connection, tables.build_properties, build_properties(new, builds))
    rows = (step(change, id_) for change, id_ in zip(new, builds, strict=True))
    steps = ids_of(connection, tables.steps, rows)
    rows = (log(change, id_) for change, id_ in zip(new, steps, strict=True))
    logs = ids_of(connection, tables.logs, rows)
    for index, change in enumerate(new):
        builder, number = numbered[index]
        change.ids = Ids(builds[index], number, builder, requests[index], steps[index], logs[index])


def builder_ids(connection: Connection, tables: Any, new: Sequence[Change]) -> dict[str, int]:
    """Ids of builders by name; those that are not there are made."""
    table = tables.builders
    projects = {change.builder_name: change.origin.project for change in new}
    hashes = {hash_columns(name): name for name in projects}
    found: dict[str, int] = {}
    wanted = list(hashes)
    for start in range(0, len(wanted), NAMES_MAX):
        query = sa.select(table.c.id, table.c.name_hash).where(
            table.c.name_hash.in_(wanted[start : start + NAMES_MAX])
        )
        for row in connection.execute(query):
            found[hashes[row.name_hash]] = row.id
    missing = [(hash_, name) for hash_, name in hashes.items() if name not in found]
    rows = (
        {"name": name, "name_hash": hash_, "projectid": projects[name]} for hash_, name in missing
    )
    made = ids_of(connection, table, rows)
    found.update(zip((name for _, name in missing), made, strict=True))
    return found


def last_numbers(connection: Connection, tables: Any, builders: set[int]) -> dict[int, int]:
    """The highest number of a build, by builder."""
    table = tables.builds
    last: dict[int, int] = {}
    wanted = sorted(builders)
    for start in range(0, len(wanted), NAMES_MAX):
        query = (
            sa.select(table.c.builderid, sa.func.max(table.c.number))
            .where(table.c.builderid.in_(wanted[start : start + NAMES_MAX]))
            .group_by(table.c.builderid)
        )
        last.update((row[0], row[1]) for row in connection.execute(query))
    return last


def append(connection: Connection, tables: Any, changes: Sequence[Change]) -> None:
    """What was added to logs."""
    rows: list[dict[str, Any]] = []
    for change in changes:
        assert change.ids is not None
        pieces = log_rows(change.ids.log, change.lines, change.text)
        change.chunks = len(pieces)
        rows.extend(pieces)
        change.lines += len(change.text)
    many(connection, tables.logchunks, rows)
    table = tables.logs
    query = (
        table.update()
        .where(table.c.id == sa.bindparam("log"))
        .values(num_lines=sa.bindparam("lines"))
    )
    many(
        connection,
        query,
        ({"log": change.ids.log, "lines": change.lines} for change in changes if change.ids),
    )


def log_rows(log: int, first: int, texts: Iterable[str]) -> list[dict[str, Any]]:
    """Lines of a log, from line ``first`` on, in pieces of a bounded size. A line that is too long
    is cut."""
    rows: list[dict[str, Any]] = []
    lines: list[bytes] = []
    size = 0

    def end_piece() -> None:
        nonlocal first, lines, size
        content = b"\n".join(lines)
        packed = zlib.compress(content)
        rows.append(
            {
                "logid": log,
                "first_line": first,
                "last_line": first + len(lines) - 1,
                "content": min(content, packed, key=len),
                "compressed": ZLIB if len(packed) < len(content) else RAW,
            }
        )
        first += len(lines)
        lines, size = [], 0

    for text in texts:
        line = text.encode(errors="replace")[: CHUNK_BYTES - 1]
        if lines and size + len(line) >= CHUNK_BYTES:
            end_piece()
        lines.append(line.decode(errors="ignore").encode())
        size += len(line) + 1
    if lines:
        end_piece()
    return rows


def rewrite_log(connection: Connection, tables: Any, log: int, text: str) -> None:
    """The log has ``text`` instead of what it had; runs in a thread, within a transaction."""
    chunks, logs = tables.logchunks, tables.logs
    rows = log_rows(log, 0, text.splitlines())
    connection.execute(chunks.delete().where(chunks.c.logid == log))
    many(connection, chunks, rows)
    lines = rows[-1]["last_line"] + 1 if rows else 0
    connection.execute(logs.update().where(logs.c.id == log).values(num_lines=lines))


def finish(connection: Connection, tables: Any, changes: Sequence[Change]) -> None:
    """Builds that were written before and have ended."""
    ends = [(change, change.ids, change.end) for change in changes if change.ids and change.end]
    columns = ("complete_at", "results", "state_string")

    def update(
        table: Any, id_name: str, columns: Iterable[str], ends: Sequence[tuple[Change, Ids, End]]
    ) -> None:
        values: dict[str, Any] = {column: sa.bindparam(f"new_{column}") for column in columns}
        query = table.update().where(table.c.id == sa.bindparam("row")).values(**values)
        rows = []
        for _, ids, end in ends:
            row = {"row": getattr(ids, id_name)}
            row |= {f"new_{k}": v for k, v in ended(end).items() if k in columns}
            rows.append(row)
        many(connection, query, rows)

    update(tables.builds, "build", columns, ends)
    update(tables.steps, "step", columns, [row for row in ends if not row[0].step_ended])
    update(tables.buildrequests, "request", ("results", "complete_at"), ends)
    many(
        connection,
        tables.logs.update().where(tables.logs.c.id == sa.bindparam("row")).values(complete=1),
        ({"row": ids.log} for _, ids, _ in ends),
    )
    many(
        connection,
        tables.build_properties,
        (row for _, ids, end in ends for row in property_rows(ids.build, end.properties)),
    )


def ended(end: End | None) -> dict[str, Any]:
    """Columns that say how something ended, if it did."""
    if end is None:
        return {"complete_at": None, "results": None, "state_string": "building"}
    return {"complete_at": end.at, "results": end.results, "state_string": end.text}


def buildset(change: Change) -> dict[str, Any]:
    """Complete from the start: nothing is left to do for those who hand out requests."""
    return {
        "reason": "nix-build",
        "submitted_at": change.started_at,
        "complete": 1,
        "complete_at": change.end.at if change.end else change.started_at,
        "results": change.end.results if change.end else None,
        "parent_buildid": change.origin.parent_build,
        "parent_relationship": "Triggered from",
    }


def request(change: Change, buildset: int) -> dict[str, Any]:
    return {
        "buildsetid": buildset,
        "builderid": change.rebuild.builder,
        "priority": 0,
        "complete": 1,
        "results": change.end.results if change.end else None,
        "submitted_at": change.started_at,
        "complete_at": change.end.at if change.end else change.started_at,
        "waited_for": 1,
    }


def build(change: Change, request: int, numbered: tuple[int, int]) -> dict[str, Any]:
    builder, number = numbered
    return {
        "number": number,
        "builderid": builder,
        "buildrequestid": request,
        "workerid": change.worker,
        "masterid": change.origin.master,
        "started_at": change.started_at,
        "locks_duration_s": 0,
        **ended(change.end),
    }


def step(change: Change, build: int) -> dict[str, Any]:
    return {
        "number": 0,
        "name": change.step_name,
        "buildid": build,
        "started_at": change.started_at,
        "locks_acquired_at": change.started_at,
        "urls_json": "[]",
        "hidden": 0,
        **ended(change.end),
    }


def log(change: Change, step: int) -> dict[str, Any]:
    return {
        "name": change.log_name,
        "slug": change.log_name,
        "stepid": step,
        "complete": int(change.end is not None),
        "num_lines": 0,
        "type": change.log_type,
    }


def buildset_properties(new: Sequence[Change], ids: Sequence[int]) -> Iterable[dict[str, Any]]:
    for change, id_ in zip(new, ids, strict=True):
        for name, value in change.rebuild.properties.items():
            yield {
                "buildsetid": id_,
                "property_name": name,
                "property_value": json.dumps(value),
            }


def sourcestamps(new: Sequence[Change], ids: Sequence[int]) -> Iterable[dict[str, Any]]:
    for change, id_ in zip(new, ids, strict=True):
        for stamp in change.origin.sourcestamps:
            yield {"buildsetid": id_, "sourcestampid": stamp}


def build_properties(new: Sequence[Change], ids: Sequence[int]) -> Iterable[dict[str, Any]]:
    for change, id_ in zip(new, ids, strict=True):
        properties = change.origin.properties | change.properties
        if change.end:
            properties |= change.end.properties
        yield from property_rows(id_, properties)


def property_rows(build: int, properties: dict[str, Property]) -> Iterable[dict[str, Any]]:
    for name, (value, source) in properties.items():
        yield {"buildid": build, "name": name, "value": json.dumps(value), "source": source}


def many(connection: Connection, what: Any, rows: Iterable[dict[str, Any]]) -> None:
    """One statement for all ``rows``."""
    rows = list(rows)
    if rows:
        connection.execute(what.insert() if isinstance(what, sa.Table) else what, rows)


def ids_of(connection: Connection, table: Any, rows: Iterable[dict[str, Any]]) -> list[int]:
    """Inserts ``rows`` and returns their ids, in the same order."""
    rows = list(rows)
    if not rows:
        return []
    query = table.insert().returning(table.c.id, sort_by_parameter_order=True)
    return list(connection.execute(query, rows).scalars())
