"""The database of a master, as our tables are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from buildbot.master import BuildMaster
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection
from twisted.internet import defer

from buildbot_nix.state import migrate

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class State:
    """What runs operations on our tables, the first one after their migration."""

    _of: WeakKeyDictionary[BuildMaster, State] = WeakKeyDictionary()

    def __init__(self, master: BuildMaster) -> None:
        self._master = master
        self._migrating = defer.DeferredLock()
        self._is_migrated = False

    @classmethod
    def find(cls, master: BuildMaster) -> State:
        """That of ``master``. No service: those who need it start in any order."""
        return cls._of.setdefault(master, cls(master))

    @async_to_deferred
    async def do(
        self,
        operation: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """``operation`` in one transaction, in a thread of Buildbot's pool.

        What was done when the connection to the database broke is done again, so it should not
        mind that. Raises :class:`migrate.NewerDatabaseError`.
        """
        await self.migrate()
        return await self._transaction(operation, *args, **kwargs)

    @async_to_deferred
    async def migrate(self) -> None:
        """The tables are there afterwards, as this version needs them."""
        await self._migrating.acquire()
        try:
            if not self._is_migrated:
                await self._transaction(migrate.upgrade)
                self._is_migrated = True
        finally:
            self._migrating.release()

    def _transaction(
        self,
        operation: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> defer.Deferred[Result]:
        pool = self._master.db.pool
        assert pool is not None
        done: defer.Deferred[Result] = pool.do_with_transaction(operation, *args, **kwargs)
        return done
