"""What all tables have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

#: All our tables; ``migrations`` brings a database to this.
METADATA = sa.MetaData()
#: Values in one statement; databases bound the number of parameters.
VALUES_MAX = 500

Item = TypeVar("Item")


def put(connection: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts ``rows``, each in place of the one that has its primary key."""
    if not rows:
        return
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    query = dialect.insert(table)
    keys = list(table.primary_key)
    rest = {column.name: query.excluded[column.name] for column in table.c if column not in keys}
    connection.execute(query.on_conflict_do_update(index_elements=keys, set_=rest), rows)


def portions(items: Iterable[Item]) -> Iterable[list[Item]]:
    """``items`` in lists for one statement each."""
    iterator = iter(items)
    while portion := list(islice(iterator, VALUES_MAX)):
        yield portion


def older_than(column: sa.Column[Any]) -> Callable[[Connection, int, int], int]:
    """What deletes up to so many rows whose ``column``, a time, is before another, and returns how
    many they were."""
    table = column.table
    key = sa.tuple_(*table.primary_key)

    def prune(connection: Connection, before: int, limit: int) -> int:
        old = sa.select(*table.primary_key).where(column < before).limit(limit)
        return connection.execute(sa.delete(table).where(key.in_(old))).rowcount

    return prune
