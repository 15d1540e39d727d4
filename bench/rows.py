"""Rows that the database reads, which PostgreSQL counts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from uuid import uuid4

import sqlalchemy as sa

from bench import flakes
from bench.builds import bare_builds, push, salt
from bench.instance import Bench, Options
from bench.report import Aim, heading, row
from tests.postgres import PostgresServer
from tests.repository import SYSTEM

SIZES = (100, 1000)
#: Seconds until what connections have counted is in the statistics.
FLUSH = 12
TITLES = ["run", "Buildbot", "N", "rows read", "rows read per N", "rows written per N"]
COUNTERS = """select tup_returned, tup_inserted + tup_updated + tup_deleted
from pg_stat_database where datname = 'postgres'"""


def rows(options: Options) -> Iterator[str | Aim]:
    """N checks and N bare builds, for two N."""
    for buildbot in options.buildbots:
        yield heading(TITLES)
        with contextlib.ExitStack() as stack:
            server = PostgresServer(uuid4().hex)
            stack.callback(server.remove)
            bench = Bench("rows", buildbot, options)
            bench.instance.settings["db_url"] = server.url
            stack.enter_context(bench.running())
            engine = sa.create_engine(server.url)
            stack.callback(engine.dispose)
            read = {}
            for size in SIZES:
                repository = bench.instance.repository(f"bench-rows-{size}")
                text = flakes.flake(size, "mixed", [SYSTEM], salt(bench, "rows", size))
                before = counters(engine)
                push(bench, repository, "new", size, {"flake.nix": text})
                read[size], written = since(engine, before)
                yield described("new, mixed", buildbot, size, read[size], written)
            for size in options.bare:
                before = counters(engine)
                bare_builds(bench, size)
                yield described("bare Buildbot builds", buildbot, size, *since(engine, before))
            small, large = SIZES
            ratio = read[large] / read[small]
            yield Aim(f"{buildbot}: rows read, {large} times {small} checks", ratio, large / small)


def counters(engine: sa.Engine) -> tuple[int, int]:
    """Rows read and written until now."""
    time.sleep(FLUSH)
    with engine.connect() as connection:
        read, written = connection.execute(sa.text(COUNTERS)).one()
        return int(read), int(written)


def since(engine: sa.Engine, before: tuple[int, int]) -> tuple[int, int]:
    now = counters(engine)
    return now[0] - before[0], now[1] - before[1]


def described(what: str, buildbot: str, size: int, read: int, written: int) -> str:
    return row([what, buildbot, size, read, f"{read / size:.0f}", f"{written / size:.0f}"])
