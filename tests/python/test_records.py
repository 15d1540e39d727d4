"""Builds are written into Buildbot's tables as Buildbot would, only together."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from buildbot.db.model import Model
from buildbot.util.sautils import hash_columns
from sqlalchemy.engine import Connection

from buildbot_nix.records import Ids, Origin, Rebuild
from buildbot_nix.records.record import End
from buildbot_nix.records.rows import CHUNK_BYTES, Change, write
from buildbot_nix.state.buildbot_rows import prune_builders, prune_builds, prune_logs

ORIGIN = Origin(
    parent_build=1, project=None, sourcestamps=(1,), master=1, properties={"branch": ("main", "B")}
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database with a master, a builder, a source and the build of an evaluation."""
    engine = sa.create_engine("sqlite://")
    Model.metadata.create_all(engine)
    with engine.begin() as connection:
        stamp = {"id": 1, "ss_hash": "x", "created_at": 1, "repository": "r", "project": "p"}
        rows: list[tuple[Any, dict[str, Any]]] = [
            (
                Model.masters,
                {"id": 1, "name": "m", "name_hash": "m", "active": 1, "last_active": 1},
            ),
            (Model.builders, {"id": 1, "name": "p/nix-eval", "name_hash": "e"}),
            (Model.sourcestamps, {**stamp, "codebase": ""}),
            (Model.workers, {"id": 1, "name": "w", "info": {}, "paused": 0, "graceful": 0}),
        ]
        for table, row in rows:
            connection.execute(table.insert(), row)
        yield connection


def change(name: str, **more: Any) -> Change:
    known: dict[str, Any] = {
        "origin": ORIGIN,
        "worker": 1,
        "builder_name": name,
        "properties": {"attr": (name, "nix-eval-nix")},
        "rebuild": Rebuild(1, {"attr": (name, "nix-eval-nix")}),
        "step_name": "Build flake attr",
        "log_name": "stdio",
        "started_at": 100,
        "ids": None,
        "lines": 0,
        "text": [],
        "end": None,
    }
    return Change(**(known | more))


def rows(connection: Connection, table: Any) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(sa.select(table))]


def ids_of(change: Change) -> Ids:
    assert change.ids is not None
    return change.ids


def test_old_builds_go_with_all_that_belongs_to_them(connection: Connection) -> None:
    end = {"properties": {"x": ("y", "z")}}
    old = change("old", text=["oline"], end=End(0, "well", 100, **end))
    young = change("young", text=["oline"], end=End(0, "well", 200, **end))
    write(connection, Model, [old, young])
    assert prune_logs(connection, 150, 10) == 1
    assert [row["logid"] for row in rows(connection, Model.logchunks)] == [ids_of(young).log]
    assert {row["type"] for row in rows(connection, Model.logs)} == {"s", "d"}
    assert prune_logs(connection, 150, 10) == 0
    assert prune_builds(connection, 150, 10) == 1
    assert prune_builders(connection, 150, 1) == 1
    tables = (Model.builds, Model.steps, Model.logs, Model.buildrequests, Model.buildsets)
    assert [len(rows(connection, table)) for table in tables] == [1] * 5
    for table in (Model.build_properties, Model.buildset_properties, Model.buildset_sourcestamps):
        owners = {row.get("buildid") or row.get("buildsetid") for row in rows(connection, table)}
        assert len(owners) == 1
    assert [row["id"] for row in rows(connection, Model.builds)] == [ids_of(young).build]


def test_the_last_build_of_a_configured_builder_stays(connection: Connection) -> None:
    builds = [change("kept", end=End(0, "well", at, {})) for at in (100, 101)]
    write(connection, Model, builds)
    connection.execute(
        Model.builder_masters.insert(), {"builderid": ids_of(builds[0]).builder, "masterid": 1}
    )
    assert prune_builds(connection, 150, 10) == 1
    assert [row["id"] for row in rows(connection, Model.builds)] == [ids_of(builds[1]).build]


def test_a_build_begins_and_ends(connection: Connection) -> None:
    begun = change("a", text=["hone", "otwo"])
    write(connection, Model, [begun])
    ids = ids_of(begun)
    [build] = rows(connection, Model.builds)
    assert (build["number"], build["results"], build["complete_at"]) == (1, None, None)
    [request] = rows(connection, Model.buildrequests)
    # Nobody hands out a request that is complete.
    assert (request["complete"], request["builderid"]) == (1, 1)
    assert rows(connection, Model.buildset_sourcestamps)[0]["sourcestampid"] == 1
    [builder] = [row for row in rows(connection, Model.builders) if row["name"] == "a"]
    assert (builder["id"], builder["name_hash"]) == (ids.builder, hash_columns("a"))

    end = End(2, "the builder failed", 107, {"failed_drv": ("/x.drv", "step")})
    write(connection, Model, [change("a", ids=ids, lines=2, text=["othree"], end=end)])
    [build] = rows(connection, Model.builds)
    assert (build["results"], build["complete_at"]) == (2, 107)
    assert build["state_string"] == "the builder failed"
    [step] = rows(connection, Model.steps)
    assert (step["results"], step["complete_at"], step["urls_json"]) == (2, 107, "[]")
    [log] = rows(connection, Model.logs)
    assert (log["complete"], log["num_lines"]) == (1, 3)
    assert rows(connection, Model.buildrequests)[0]["results"] == 2
    properties = {row["name"]: row["value"] for row in rows(connection, Model.build_properties)}
    assert properties == {"branch": '"main"', "attr": '"a"', "failed_drv": '"/x.drv"'}
    chunks = rows(connection, Model.logchunks)
    assert [(chunk["first_line"], chunk["last_line"]) for chunk in chunks] == [(0, 1), (2, 2)]


def test_builds_of_one_attribute_are_numbered(connection: Connection) -> None:
    end = End(0, "build successful", 101, {})
    first = [change(name, end=end) for name in ("a", "b", "a")]
    write(connection, Model, first)
    second = [change(name, end=end) for name in ("b", "c")]
    write(connection, Model, second)
    numbers = [(change.builder_name, ids_of(change).number) for change in (*first, *second)]
    assert numbers == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("c", 1)]
    assert len({ids_of(change).build for change in (*first, *second)}) == 5
    assert {row["results"] for row in rows(connection, Model.builds)} == {0}


def test_many_attributes_at_once(connection: Connection) -> None:
    """More than databases take parameters for one statement."""
    changes = [change(f"attr-{number}") for number in range(1200)]
    write(connection, Model, changes)
    builders = {row["id"]: row["name"] for row in rows(connection, Model.builders)}
    assert all(builders[ids_of(it).builder] == it.builder_name for it in changes)
    write(connection, Model, [change(f"attr-{number}") for number in range(1200)])
    assert len(rows(connection, Model.builds)) == 2400


def test_long_logs_are_cut_into_pieces(connection: Connection) -> None:
    lines = [f"o{number} " + "ü" * 3000 for number in range(30)] + ["o" + "x" * 2 * CHUNK_BYTES]
    written = change("a", text=lines)
    write(connection, Model, [written])
    chunks = rows(connection, Model.logchunks)
    assert written.chunks == len(chunks) == 4
    said: list[str] = []
    for chunk in chunks:
        content = zlib.decompress(chunk["content"]) if chunk["compressed"] else chunk["content"]
        assert len(content) <= CHUNK_BYTES
        said += content.decode().split("\n")
        assert chunk["last_line"] == len(said) - 1
    assert said[:30] == lines[:30]
    assert (len(said), len(said[30])) == (31, CHUNK_BYTES - 1)
