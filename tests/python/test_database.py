"""SQLite is kept open and does not wait for the disk at each commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy
from buildbot.db.enginestrategy import create_engine

from buildbot_nix.database import Patience, database_config


def test_sqlite_connections_are_kept_and_quick(tmp_path: Path) -> None:
    config = database_config("sqlite:///state.sqlite")
    engine = create_engine(config["db_url"], basedir=str(tmp_path), **config["engine_kwargs"])
    with engine.connect() as connection:
        first = connection.connection.dbapi_connection
        pragmas = [
            connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("synchronous", "journal_mode")
        ]
    assert pragmas == [1, "wal"]
    with engine.connect() as connection:
        assert connection.connection.dbapi_connection is first
    engine.dispose()


def test_other_databases_are_left_alone() -> None:
    assert database_config("postgresql://@/buildbot") == {"db_url": "postgresql://@/buildbot"}


def test_what_broke_is_done_again_until_the_master_stops(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/state.sqlite", basedir=str(tmp_path))
    patience = Patience(engine)
    broken = sqlalchemy.exc.OperationalError("select", {}, Exception("gone"), False, True)
    full = sqlalchemy.exc.OperationalError("insert", {}, Exception("database or disk is full"))
    wrong = sqlalchemy.exc.OperationalError("select", {}, Exception("no such table: x"))
    answers = [engine.should_retry(error) for error in (broken, full, wrong)]  # type: ignore[attr-defined]
    assert answers == [True, True, False]
    patience.stop(seconds=0)
    assert not patience.should_retry(broken)
    engine.dispose()


def test_connecting_waits_for_the_server() -> None:
    """The first attempts fail, as those to a server that starts."""
    attempts: list[object] = []

    class Driver:
        class OperationalError(Exception):
            pass

    class Dialect:
        loaded_dbapi = Driver

        def connect(self, *arguments: object, **options: object) -> object:
            attempts.append(arguments)
            if len(attempts) < 2:
                raise Driver.OperationalError("connection refused")
            return "connected"

    patience = Patience(create_engine("sqlite://", basedir=""))
    assert patience.connect(cast(Any, Dialect()), None, ("host",), {}) == "connected"
    patience.stop(seconds=0)
    attempts.clear()
    with pytest.raises(Driver.OperationalError):
        patience.connect(cast(Any, Dialect()), None, ("host",), {})


def test_nothing_is_done_to_foreign_connections() -> None:
    """The listener is for the whole process."""
    database_config("sqlite:///state.sqlite")
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select 1").scalar() == 1
