"""SQLite is kept open and does not wait for the disk at each commit."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from buildbot.db.enginestrategy import create_engine

from buildbot_nix.database import database_config


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


def test_nothing_is_done_to_foreign_connections() -> None:
    """The listener is for the whole process."""
    database_config("sqlite:///state.sqlite")
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select 1").scalar() == 1
