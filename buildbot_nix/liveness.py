"""Workers that are gone without a word, since their machine is or the master was.

After a power cut there, a cable, a firewall that forgot, Buildbot itself notices that when it next
says something and TCP has given up, which takes from a quarter of an hour to more than one; until
then all that ran there seems to run on. After a power cut here it never does: who was connected
then seems to be for ever, if they do not come back.
"""

from __future__ import annotations

import socket
from typing import Any, ClassVar, cast

from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from buildbot.worker.base import Worker
from buildbot.worker.protocols.base import Connection
from twisted.python import log

from buildbot_nix.state import State, forget_connections

#: Seconds after which a machine that is silent is lost.
SILENCE_MAX = 60
#: Seconds between the questions of the kernel's to a machine that says nothing, see tcp(7).
ASK_AFTER, ASK_EVERY = 20, 10

OPTIONS = {
    # Linux has all of them; other systems take what they have.
    "TCP_KEEPIDLE": ASK_AFTER,
    "TCP_KEEPINTVL": ASK_EVERY,
    "TCP_KEEPCNT": (SILENCE_MAX - ASK_AFTER) // ASK_EVERY,
    # The same for a machine that does not confirm what it was told. Milliseconds.
    "TCP_USER_TIMEOUT": SILENCE_MAX * 1000,
}


class RemoteWorker(Worker):
    """A worker that is lost a minute after its machine."""

    @async_to_deferred
    async def attached(self, conn: Connection) -> None:
        # Through TLS, if that is between.
        transport = cast(Any, conn).mind.broker.transport
        try:
            expect_answers(transport.socket)
        except OSError as error:
            log.msg(f"{self.workername}: a machine that disappears is noticed late: {error}")
        await super().attached(conn)


class Connections(BuildbotService):
    """Keeps true what the database says of who is connected."""

    SERVICE_NAME: ClassVar[str] = "nix-connections"

    name = SERVICE_NAME

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        # Workers may connect after this, and only then does this master count as one that runs.
        await self._forget()
        # A spare master notices late that the one whose place it takes is gone.
        self._ends = await self.master.mq.startConsuming(
            lambda *_: self._forget(), ("masters", None, "stopped")
        )

    @async_to_deferred
    async def stopService(self) -> None:
        self._ends.stopConsuming()
        await super().stopService()

    @async_to_deferred
    async def _forget(self) -> None:
        await State.find(self.master).do(forget_connections)


def expect_answers(connection: socket.socket) -> None:
    """Has the kernel give up ``connection`` after :data:`SILENCE_MAX` seconds of silence."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in OPTIONS.items():
        number = getattr(socket, name, None)
        if number is not None:
            connection.setsockopt(socket.IPPROTO_TCP, number, value)
