"""How Buildbot talks to its database: options that make it several times faster, and patience."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy
from buildbot.config import master as buildbot_config
from buildbot.master import BuildMaster
from buildbot.util.twisted import async_to_deferred
from sqlalchemy import event, pool
from sqlalchemy.exc import InterfaceError, OperationalError
from twisted.internet import defer
from twisted.internet.task import deferLater
from twisted.python import log

#: What SQLAlchemy raises if the database is away.
AWAY = (OperationalError, InterfaceError)
#: Seconds between attempts while it is, longer each time.
RETRY_SECONDS = (0.5, 1, 2, 5, 10, 30)

Result = TypeVar("Result")


def database_config(url: str) -> dict[str, Any]:
    """Buildbot's ``c["db"]`` for the database at ``url``."""
    config: dict[str, Any] = {"db_url": url}
    backend = sqlalchemy.make_url(url).get_backend_name()
    # Buildbot before 4.3 has no such option; everything works without it, only slower.
    if backend == "sqlite" and hasattr(buildbot_config, "DBConfig"):
        # Buildbot opens a connection for each operation. Closing the last one makes SQLite fold
        # its journal into the file, so that every operation waits for the disk several times.
        config["engine_kwargs"] = {"poolclass": pool.QueuePool}
        if not event.contains(pool.Pool, "connect", do_not_wait_for_disk):
            event.listen(pool.Pool, "connect", do_not_wait_for_disk)
    return config


def do_not_wait_for_disk(connection: object, _record: object) -> None:
    """Lets commits return before they are on the disk. In WAL mode, which Buildbot uses, the
    database stays consistent whatever happens, and only a crash of the operating system, not of
    the master, can lose the last ones."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = normal")


@async_to_deferred
async def while_away(
    master: BuildMaster,
    operation: Callable[[], defer.Deferred[Result]],
    gives_up: Callable[[], bool] = lambda: False,
) -> Result:
    """What ``operation`` returns, tried again as long as the database is away. Buildbot itself does
    not: most of its own operations fail for good then. Raises the last error if ``gives_up``."""
    attempt = 0
    while True:
        try:
            return await operation()
        except AWAY as error:
            if gives_up():
                raise
            pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
            log.msg(f"buildbot-nix: the database is away, again in {pause} s: {error}")
            await deferLater(master.reactor, pause, lambda: None)
        attempt += 1
