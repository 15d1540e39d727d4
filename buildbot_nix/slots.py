"""Connections on which agents build.

A worker runs one command of a builder at a time, so a build slot is a pair of builder and worker.
Buildbot's own scheduling knows nothing of these: that of a project's build builder only ever waits
(see :class:`buildbot_nix.steps.build.BuildAttribute`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from buildbot.master import BuildMaster
from buildbot.process.buildstep import BuildStep
from buildbot.process.remotecommand import RemoteShellCommand
from buildbot.process.workerforbuilder import WorkerForBuilder
from buildbot.util.twisted import async_to_deferred
from buildbot.worker.base import Worker
from buildbot.worker.protocols.base import Connection
from twisted.internet.error import ConnectionLost
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.spread.pb import PBConnectionLost

from buildbot_nix.machines import Machines

#: Seconds between looks for a worker, should one be away that is expected.
LOOK_SECONDS = 0.5


Remote = TypeVar("Remote", bound=RemoteShellCommand)


class StoppedError(Exception):
    """Nobody wants the command any more."""


class WorkerLostError(Exception):
    """The connection to the worker broke while it ran the command."""


class SlotCommand:
    """Agent calls, one after the other, on whichever worker of a machine is free."""

    def __init__(self, master: BuildMaster, builder: str, machine: str) -> None:
        self._master = master
        self._builder = builder
        self._machine = machine
        self._busy = Machines.find(master, machine).busy
        self._remote: RemoteShellCommand | None = None
        self._stopped = False

    @async_to_deferred
    async def run(self, step: BuildStep, make: Callable[[Worker], Remote]) -> Remote:
        """Runs, for ``step``, what ``make`` makes for the worker that was found.

        Raises :class:`StoppedError`, or :class:`WorkerLostError`.
        """
        slot = self._free()
        while slot is None:
            await deferLater(self._master.reactor, LOOK_SECONDS, lambda: None)
            slot = self._free()
        worker = cast(Worker, slot.worker)
        connection = cast(Connection, worker.conn)
        remote = make(worker)
        remote.worker = worker
        self._remote = remote
        lost = connection.notifyOnDisconnect(lambda: remote.interrupt(Failure(ConnectionLost())))
        self._busy.add(slot)
        try:
            await remote.run(step, connection, self._builder)
        except (ConnectionLost, PBConnectionLost) as error:
            raise WorkerLostError from error
        finally:
            self._busy.discard(slot)
            lost.unsubscribe()
        return remote

    def stop(self, reason: str) -> None:
        """Ends it, or sees that it does not begin."""
        self._stopped = True
        if self._remote is not None:
            self._remote.interrupt(reason)

    def _free(self) -> WorkerForBuilder | None:
        if self._stopped:
            raise StoppedError
        builder = self._master.botmaster.builders.get(self._builder)
        # Buildbot says that these are workers.
        slots = cast(list[WorkerForBuilder], builder.workers if builder else [])
        for slot in slots:
            worker = slot.worker
            if (
                slot not in self._busy
                and slot.isAvailable()
                and worker is not None
                and worker.conn is not None
                and worker.properties.getProperty("nix_machine") == self._machine
            ):
                return slot
        return None
