"""Gathers what happens to builds and writes it together."""

from __future__ import annotations

from typing import Any, ClassVar

from buildbot.master import BuildMaster
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from twisted.internet import defer
from twisted.internet.base import DelayedCall
from twisted.python import log

from buildbot_nix.records import events, rows
from buildbot_nix.records.record import STREAM, End, Origin, Property, Rebuild, Record

#: Seconds that a beginning or an end waits for others.
GATHER_SECONDS = 0.1
#: Seconds that lines of a log wait for more.
LOG_SECONDS = 1.0
#: Attempts if somebody else numbers builds of the same builders.
CONFLICTS_MAX = 5
#: Logs that were written in more pieces are put together again when they end.
PIECES_MAX = 4


class Records(BuildbotService):
    """Keeps builds in Buildbot's tables, and its web pages up to date.

    Nothing is lost while the database is away: it is written when it is back.
    """

    SERVICE_NAME: ClassVar[str] = "nix-records"

    name = SERVICE_NAME

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changed: dict[Record, None] = {}
        self._running: dict[int, Record] = {}
        self._due: DelayedCall | None = None
        self._writing = defer.DeferredLock()
        self._control: Any = None

    @classmethod
    def find(cls, master: BuildMaster) -> Records:
        """The records of ``master``."""
        records: Records = master.service_manager.namedServices[cls.SERVICE_NAME]
        return records

    def begin(
        self,
        origin: Origin,
        worker: int,
        builder_name: str,
        properties: dict[str, Property],
        rebuild: Rebuild,
        step_name: str,
        log_name: str = "stdio",
        log_type: str = STREAM,
    ) -> Record:
        """A build that starts now."""
        record = Record(
            origin,
            worker,
            builder_name,
            properties,
            rebuild,
            step_name,
            log_name,
            self._has_changed,
            log_type,
        )
        self._has_changed(record)
        return record

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        self._control = await self.master.mq.startConsuming(
            self._stop_asked, ("control", "builds", None, "stop")
        )

    @async_to_deferred
    async def stopService(self) -> None:
        if self._control is not None:
            self._control.stopConsuming()
        # What the database does not take now is ended by Buildbot when the master starts again.
        await self.flush()
        await super().stopService()

    def _stop_asked(self, key: tuple[str, ...], message: dict[str, Any]) -> None:
        record = self._running.get(int(key[2]))
        if record is not None:
            record.on_stop(message.get("reason") or "no reason")

    def _has_changed(self, record: Record) -> None:
        self._changed[record] = None
        only_log = record.ids is not None and record.end is None
        delay = LOG_SECONDS if only_log else GATHER_SECONDS
        reactor = self.master.reactor
        if self._due is not None and self._due.active():
            if self._due.getTime() - reactor.seconds() <= delay:
                return
            self._due.cancel()
        self._due = reactor.callLater(delay, self._flush_later)

    def _flush_later(self) -> None:
        self.flush().addErrback(lambda failure: log.err(failure, "while writing builds"))

    @async_to_deferred
    async def flush(self) -> None:
        """Everything up to now is in the database afterwards."""
        await self._writing.acquire()
        try:
            changed, self._changed = list(self._changed), {}
            taken = [(record, record.take_text(), record.end) for record in changed]
            if not taken:
                return
            try:
                changes = await self._write(taken)
            except SQLAlchemyError:
                log.err(None, f"{len(taken)} builds could not be written")
            else:
                self._tell(taken, changes)
        finally:
            self._writing.release()

    async def _write(self, taken: list[tuple[Record, list[str], End | None]]) -> list[rows.Change]:
        def write(connection: Connection) -> list[rows.Change]:
            # New ones each time: if the connection breaks, nothing of it has happened.
            changes = [change(*item) for item in taken]
            rows.write(connection, self.master.db.model, changes)
            return changes

        for attempt in range(CONFLICTS_MAX + 1):
            try:
                written: list[rows.Change] = await self.master.db.pool.do_with_transaction(write)
                return written
            except IntegrityError:
                if attempt == CONFLICTS_MAX:
                    raise
        raise AssertionError

    def _tell(
        self,
        taken: list[tuple[Record, list[str], End | None]],
        changes: list[rows.Change],
    ) -> None:
        for (record, text, end), written in zip(taken, changes, strict=True):
            ids = written.ids
            assert ids is not None
            record.lines = written.lines
            record.chunks += written.chunks
            if record.ids is None:
                record.ids = ids
                self._running[ids.build] = record
                events.begun(self.master, record, ids)
                record.written.callback(ids)
            elif text:
                events.appended(self.master, record, ids)
            if end is not None:
                del self._running[ids.build]
                events.finished(self.master, record, ids)
                if record.chunks > PIECES_MAX:
                    self._put_together(ids.log)

    def _put_together(self, logid: int) -> None:
        self.master.data.updates.compressLog(logid).addErrback(
            lambda failure: log.err(failure, f"while compressing log {logid}")
        )


def change(record: Record, text: list[str], end: End | None) -> rows.Change:
    return rows.Change(
        origin=record.origin,
        worker=record.worker,
        builder_name=record.builder_name,
        properties=record.properties,
        rebuild=record.rebuild,
        step_name=record.step_name,
        log_name=record.log_name,
        started_at=record.started_at,
        ids=record.ids,
        lines=record.lines,
        text=text,
        end=end,
        step_ended=record.step_ended,
        log_type=record.log_type,
    )
