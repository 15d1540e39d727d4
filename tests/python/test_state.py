"""Our own tables: made and changed by migrations, asked in few queries, kept small."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from sqlalchemy.engine import Connection, Engine
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.startup import database_problem
from buildbot_nix.state import Failure, Failures, Janitor, JobSet, JobSets, State, migrate
from buildbot_nix.state.failures import FAILURES
from buildbot_nix.state.janitor import ROWS_MAX, RULES
from buildbot_nix.state.job_sets import pack
from buildbot_nix.state.tables import METADATA, VALUES_MAX


def ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
    return kind != "table" or str(name).startswith("nix_")


def check_tables(engine: Engine) -> None:
    """Migrations make the tables that the code describes; more than once is as good."""
    for _ in range(2):
        with engine.connect() as connection, connection.begin():
            migrate.upgrade(connection)
    options = {"version_table": migrate.VERSION_TABLE, "include_object": ours}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []
        migrate.check(connection)
    newer = f"update {migrate.VERSION_TABLE} set version_num = '9999'"
    for step in (migrate.check, migrate.upgrade):
        with engine.connect() as connection, connection.begin() as transaction:
            connection.exec_driver_sql(newer)
            transaction.commit()
        refused = pytest.raises(migrate.NewerDatabaseError, match="9999")
        with refused, engine.connect() as connection, connection.begin():
            step(connection)


def check_pruning(connection: Connection) -> None:
    """A rule deletes no more than it was asked to, and nothing that is young."""
    rows = [
        {"project": "p", "derivation": f"d{n}", "attr": "a", "url": "u", "failed_at": n}
        for n in range(10)
    ]
    connection.execute(FAILURES.insert(), rows)
    [prune] = [rule.prune for rule in RULES if rule.name == "failures"]
    assert [prune(connection, 5, 3) for _ in range(3)] == [3, 2, 0]
    kept = connection.execute(sa.select(FAILURES.c.failed_at)).scalars()
    assert sorted(kept) == list(range(5, 10))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/state.sqlite")
    yield engine
    engine.dispose()


def test_migrations_make_the_tables(engine: Engine) -> None:
    check_tables(engine)


def test_pruning(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin():
        migrate.upgrade(connection)
    with engine.begin() as connection:
        check_pruning(connection)


def test_a_migration_that_fails_leaves_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr("alembic.operations.Operations.create_index", fail)
    with pytest.raises(RuntimeError), engine.connect() as connection, connection.begin():
        migrate.upgrade(connection)
    assert sa.inspect(engine).get_table_names() == []


def test_a_newer_database_is_refused_before_the_master_starts(engine: Engine) -> None:
    url = engine.url.render_as_string()
    with engine.connect() as connection, connection.begin():
        migrate.upgrade(connection)
    assert list(database_problem(url)) == []
    with engine.begin() as connection:
        connection.exec_driver_sql(f"update {migrate.VERSION_TABLE} set version_num = '9999'")
    [problem] = database_problem(url)
    assert "newer buildbot-nix" in problem and "9999" in problem


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("no database, but as long as the head of one is" * 99)
    [problem] = database_problem(f"sqlite:///{tmp_path}/state.sqlite")
    assert "not a database" in problem


def failure(derivation: str, **more: Any) -> Failure:
    known: dict[str, Any] = {"project": "site", "attr": "a", "url": "u", "failed_at": 100}
    return Failure(derivation=derivation, **(known | more))


def job_set(request: int, **more: Any) -> JobSet:
    known: dict[str, Any] = {
        "project": "site",
        "build": 7,
        "machine": "farm",
        "properties": {"got_revision": "abc"},
        "lost": None,
        "slices": 2,
        "stored_at": 100,
        "ended_at": None,
    }
    return JobSet(request=request, **(known | more))


class TestState(TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        self.master = yield fakemaster.make_master(self, wantDb=True)
        self.state = State.find(self.master)
        self.failures = Failures(self.state, "site")

    @defer.inlineCallbacks
    def test_everybody_finds_the_same(self) -> Generator[Any, Any, None]:
        assert State.find(self.master) is self.state
        # All at once: one migrates, the others wait.
        yield defer.gatherResults([self.failures.of(["d"], 0) for _ in range(5)])

    @defer.inlineCallbacks
    def test_failures_are_those_of_a_project(self) -> Generator[Any, Any, None]:
        yield self.failures.remember([failure("d")])
        assert (yield self.failures.of(["d", "e"], 100)) == {"d": failure("d")}
        assert (yield self.failures.of(["d"], 101)) == {}
        assert (yield Failures(self.state, "other").of(["d"], 0)) == {}
        yield Failures(self.state, "other").forget(["d"])
        assert (yield self.failures.of(["d"], 0)) == {"d": failure("d")}

    @defer.inlineCallbacks
    def test_the_last_failure_counts(self) -> Generator[Any, Any, None]:
        yield self.failures.remember([failure("d"), failure("e")])
        yield self.failures.remember([failure("d", url="again", failed_at=200)])
        found = yield self.failures.of(["d", "e"], 0)
        assert found == {"d": failure("d", url="again", failed_at=200), "e": failure("e")}
        yield self.failures.forget(["d"])
        assert list((yield self.failures.of(["d", "e"], 0))) == ["e"]

    @defer.inlineCallbacks
    def test_many_are_asked_in_few_queries(self) -> Generator[Any, Any, None]:
        many = [failure(f"d{n}") for n in range(2 * VALUES_MAX + 1)]
        yield self.failures.remember(many)
        queries: list[str] = []
        sa.event.listen(
            self.master.db.pool.engine,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, *_: queries.append(statement),
        )
        names = [row.derivation for row in many]
        assert len((yield self.failures.of(names, 0))) == len(many)
        assert len(queries) == 3
        yield self.failures.forget(names)
        assert (yield self.failures.of(names, 0)) == {}

    @defer.inlineCallbacks
    def test_job_sets_come_back_until_their_run_has_ended(self) -> Generator[Any, Any, None]:
        job_sets = JobSets(self.state)
        assert (yield job_sets.find(1)) is None
        yield job_sets.end(1)
        for _ in range(2):
            # A second evaluation of the same request takes the place of the first.
            yield job_sets.store(job_set(1), [pack(b"one "), pack(b"two")])
        yield job_sets.store(job_set(2, build=8), [])
        assert (yield job_sets.find(1)) == job_set(1)
        content = b""
        for number in range(3):
            content += yield job_sets.read_slice(1, number)
        assert content == b"one two"
        assert {it.build for it in (yield job_sets.unfinished())} == {7, 8}
        yield job_sets.end(1)
        assert [it.build for it in (yield job_sets.unfinished())] == [8]
        assert (yield job_sets.find(1)).ended_at is not None

    @defer.inlineCallbacks
    def test_old_job_sets_go_with_all_their_pieces(self) -> Generator[Any, Any, None]:
        job_sets = JobSets(self.state)
        yield job_sets.store(job_set(1, stored_at=10), [pack(b"old")])
        yield job_sets.store(job_set(2, stored_at=20), [pack(b"young")])
        [prune] = [rule.prune for rule in RULES if rule.name == "job_sets"]
        assert (yield self.state.do(prune, 20, 10)) == 1
        assert (yield job_sets.find(1)) is None
        assert (yield job_sets.read_slice(1, 0)) == b""
        assert (yield job_sets.read_slice(2, 0)) == b"young"

    @defer.inlineCallbacks
    def test_the_janitor_deletes_what_is_old(self) -> Generator[Any, Any, None]:
        now = int(time.time())
        old = [failure(f"old{n}", failed_at=now - 100) for n in range(ROWS_MAX + 1)]
        yield self.failures.remember([*old, failure("young", failed_at=now)])
        retention = {rule.name: 50 for rule in RULES}
        janitor = Janitor(retention=retention)
        yield janitor.setServiceParent(self.master)
        yield self.master.startService()
        yield janitor.clean()
        assert list((yield self.failures.of([row.derivation for row in old], 0))) == []
        assert list((yield self.failures.of(["young"], 0))) == ["young"]
        yield self.master.stopService()
