"""How Buildbot talks to its database: options that make it several times faster, and patience."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy
from buildbot.config import master as buildbot_config
from sqlalchemy import event, pool
from sqlalchemy.engine import Dialect, Engine, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from twisted.python import log

#: Seconds between attempts to connect, longer each time.
RETRY_SECONDS = (0.5, 1, 2, 5, 10)
#: Where Buildbot's engine has what decides whether an operation is done again.
ATTRIBUTE = "should_retry"
#: Seconds that operations may still wait once the master stops.
STOP_SECONDS = 10


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


class Patience:
    """Lets operations wait while the database is away, and do again what it was doing then.

    Buildbot itself does neither: whatever it does at that moment fails for good, and builds with
    it. Here the threads of its pool wait, so that the whole master stands still until the database
    is back. It starts to give up when the master stops.
    """

    def __init__(self, engine: Engine) -> None:
        self._deadline: float | None = None
        # Buildbot puts it there.
        self._should_retry: Callable[[OperationalError], bool] = getattr(engine, ATTRIBUTE)
        setattr(engine, ATTRIBUTE, self.should_retry)
        event.listen(engine, "handle_error", lost_is_operational)
        if engine.dialect.name != "sqlite":
            event.listen(engine, "do_connect", self.connect)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """The master stops: what still wants the database has no more than ``seconds``."""
        self._deadline = time.monotonic() + seconds

    def should_retry(self, error: OperationalError) -> bool:
        """Whether Buildbot's pool does an operation once more after a pause, in a new connection.
        Its own answer is yes only if SQLite says that another process holds a lock."""
        if self._is_over():
            return False
        return error.connection_invalidated or is_full(error) or self._should_retry(error)

    def connect(
        self, dialect: Dialect, _record: object, arguments: Any, options: Any
    ) -> DBAPIConnection:
        """Connects, in a thread; waits for a server that does not answer."""
        attempt = 0
        while True:
            try:
                return dialect.connect(*arguments, **options)
            except dialect.loaded_dbapi.OperationalError as error:
                if self._is_over():
                    raise
                pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
                log.msg(f"buildbot-nix: no connection to the database, again in {pause} s: {error}")
                time.sleep(pause)
            attempt += 1

    def _is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline


def is_full(error: OperationalError) -> bool:
    """Whether SQLite has no space left on its disk, which somebody will see to."""
    return "disk is full" in str(error.orig)


def lost_is_operational(context: ExceptionContext) -> None:
    """Drivers have several errors for a connection that is lost, and Buildbot knows one."""
    error = context.sqlalchemy_exception
    if context.is_disconnect and not isinstance(error, OperationalError):
        raise OperationalError(
            context.statement, context.parameters, context.original_exception, False, True
        ) from context.original_exception
