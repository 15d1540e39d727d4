"""Our tables on PostgreSQL, and masters that start at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from buildbot_nix.state import migrate
from tests.e2e.conftest import DATABASE_PASSWORD
from tests.postgres import PostgresServer
from tests.python.test_outbox import check_statements
from tests.python.test_state import check_pruning, check_tables


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """An empty database."""
    server = PostgresServer(DATABASE_PASSWORD)
    try:
        engine = sa.create_engine(server.url)
        yield engine
        engine.dispose()
    finally:
        server.remove()


def test_tables_on_postgresql(engine: sa.Engine) -> None:
    def upgrade(_: int) -> None:
        with engine.connect() as connection, connection.begin():
            migrate.upgrade(connection)

    # Without the lock, all but one find that the tables are there already.
    with ThreadPoolExecutor(4) as masters:
        list(masters.map(upgrade, range(4)))
    with engine.connect() as connection, connection.begin() as transaction:
        check_pruning(connection)
        check_statements(connection)
        transaction.rollback()
    check_tables(engine)
