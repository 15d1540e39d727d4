"""Statuses reach their forge, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from sqlalchemy.engine import Connection
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.errors import (
    BuildbotNixError,
    ForgeAuthError,
    ForgeNotFoundError,
    ForgeRateLimitedError,
    ForgeRefusedError,
    ForgeUnavailableError,
    InternalError,
    StoppedError,
)
from buildbot_nix.outbox import Outbox
from buildbot_nix.state import State, migrate
from buildbot_nix.state import outbox as state_outbox
from buildbot_nix.state.outbox import CommitKey, Letter, OutboxTable, Status, Unfinished

SHA = "1" * 40
COMMIT = CommitKey("github", "team/site", SHA)


def status(context: str = "buildbot/nix-build", state: str = "success", **more: Any) -> Status:
    known: dict[str, Any] = {
        **COMMIT._asdict(),
        "project": "team/site",
        "target": "{}",
        "description": "12 built",
        "url": "http://ci.example/#/builders/1/builds/1",
        "run": 1,
        "build": 1,
        "page": None,
        "standing": None,
        "changed_at": 100,
    }
    return Status(context=context, state=state, **(known | more))


def check_statements(connection: Connection) -> None:
    """All statements of the table, on whichever database."""
    new, newer = status(state="pending"), status(state="pending", run=2)
    state_outbox.put(connection, [new])
    letter = state_outbox.letter(connection, new.key)
    assert letter == Letter(new, 1, None)
    state_outbox.told(connection, letter, 42)
    assert state_outbox.letter(connection, new.key) is None
    state_outbox.put(connection, [new])
    assert state_outbox.letter(connection, new.key) == Letter(new, 2, 42)
    state_outbox.put(connection, [newer])
    assert state_outbox.letter(connection, new.key) == Letter(newer, 3, None)
    state_outbox.told(connection, letter, 42)
    assert state_outbox.letter(connection, new.key) == Letter(newer, 3, None)
    assert state_outbox.waiting(connection, None) == [(new.key, "pending")]
    assert state_outbox.waiting(connection, new.key) == []
    assert state_outbox.unfinished(connection) == [Unfinished(COMMIT, "team/site", 2)]
    assert state_outbox.of_commit(connection, COMMIT) == [newer]


class FakeForge:
    """Takes what it is sent, unless it is told to raise."""

    def __init__(self) -> None:
        self.taken: list[Letter] = []
        self.faults: list[BuildbotNixError] = []
        self.on_post: Callable[[], object] = lambda: None
        self.check_run: int | None = None

    def __call__(self, letter: Letter) -> int | None:
        self.on_post()
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(letter)
        return self.check_run

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(letter.status.context, letter.status.state) for letter in self.taken]


def test_statements(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/state.sqlite")
    with engine.connect() as connection, connection.begin():
        migrate.upgrade(connection)
        check_statements(connection)
    engine.dispose()


class TestTable(TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        master = yield fakemaster.make_master(self, wantDb=True)
        self.table = OutboxTable(State.find(master))

    @defer.inlineCallbacks
    def test_the_newest_takes_the_place(self) -> Generator[Any, Any, None]:
        yield self.table.put([status(state="pending"), status("a", "failure", page="p")])
        yield self.table.put([status(standing="s")])
        assert (yield self.table.of(COMMIT)) == [
            status("a", "failure", page="p"),
            status(standing="s"),
        ]
        assert (yield self.table.of(COMMIT._replace(forge="gitea"))) == []
        letter = yield self.table.letter(status().key)
        assert (letter.status, letter.sequence, letter.check_run) == (status(standing="s"), 2, None)

    @defer.inlineCallbacks
    def test_what_waits_is_read_in_portions(self) -> Generator[Any, Any, None]:
        self.patch(state_outbox, "ROWS_MAX", 2)
        many = [status(f"buildbot/nix-build {n}") for n in range(5)]
        yield self.table.put(many)
        yield self.table.refused((yield self.table.letter(many[3].key)), "no")
        portions = []
        after = None
        while portion := (yield self.table.waiting(after)):
            portions.append([key.context[-1] for key, _ in portion])
            after = portion[-1][0]
        assert portions == [["0", "1"], ["2", "4"]]


class TestOutbox(TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        self.master = yield fakemaster.make_master(self, wantDb=True)
        self.table = OutboxTable(State.find(self.master))
        self.forge = FakeForge()
        yield self.start()
        yield self.master.startService()
        self.addCleanup(self.master.stopService)

    @defer.inlineCallbacks
    def start(self) -> Generator[Any, Any, None]:
        self.patch(Outbox, "postman", lambda _: self.forge)
        self.outbox = Outbox(name=Outbox.SERVICE_NAME)
        yield self.outbox.setServiceParent(self.master)

    @defer.inlineCallbacks
    def waiting(self) -> Generator[Any, Any, list[str]]:
        return [key.context for key, _ in (yield self.table.waiting(None))]

    @defer.inlineCallbacks
    def test_it_is_told(self) -> Generator[Any, Any, None]:
        yield self.outbox.tell([status("buildbot/nix-build a", "failure"), status()])
        # What people wait for comes first.
        expected = [("buildbot/nix-build", "success"), ("buildbot/nix-build a", "failure")]
        assert self.forge.told == expected
        assert (yield self.waiting()) == []

    @defer.inlineCallbacks
    def test_an_outage_only_delays(self) -> Generator[Any, Any, None]:
        self.forge.faults = [ForgeUnavailableError("bad gateway") for _ in range(3)]
        yield self.outbox.tell([status(state="pending")])
        yield self.outbox.tell([status(state="failure")])
        assert (yield self.waiting()) == ["buildbot/nix-build"]
        self.reactor.pump([1.0] * 60)
        assert self.forge.told == [("buildbot/nix-build", "failure")]
        assert (yield self.waiting()) == []

    @defer.inlineCallbacks
    def test_a_limit_is_kept(self) -> Generator[Any, Any, None]:
        self.forge.faults = [ForgeRateLimitedError("slowly", None, 90.0)]
        yield self.outbox.tell([status()])
        self.reactor.advance(89)
        assert self.forge.told == []
        self.reactor.advance(1.1)
        assert self.forge.told == [("buildbot/nix-build", "success")]

    @defer.inlineCallbacks
    def test_no_is_no(self) -> Generator[Any, Any, None]:
        self.forge.faults = [ForgeRefusedError("too many statuses")]
        yield self.outbox.tell([status()])
        self.reactor.pump([60.0] * 20)
        assert self.forge.told == []
        assert (yield self.waiting()) == []
        # What is newer is tried.
        yield self.outbox.tell([status(state="failure")])
        assert self.forge.told == [("buildbot/nix-build", "failure")]

    @defer.inlineCallbacks
    def test_a_commit_that_is_gone_is_given_up(self) -> Generator[Any, Any, None]:
        self.forge.faults = [ForgeNotFoundError("no such commit") for _ in range(9)]
        yield self.outbox.tell([status()])
        self.reactor.pump([60.0] * 20)
        assert len(self.forge.faults) == 4
        assert (yield self.waiting()) == []

    @defer.inlineCallbacks
    def test_a_token_is_corrected_some_day(self) -> Generator[Any, Any, None]:
        self.forge.faults = [ForgeAuthError("bad credentials") for _ in range(100)]
        yield self.outbox.tell([status()])
        self.reactor.pump([60.0] * 700)
        assert self.forge.told == [("buildbot/nix-build", "success")]

    @defer.inlineCallbacks
    def test_a_defect_is_told_the_admin(self) -> Generator[Any, Any, None]:
        self.forge.faults = [InternalError("index out of bounds")]
        yield self.outbox.tell([status()])
        assert len(self.flushLoggedErrors(InternalError)) == 1
        self.reactor.pump([1.0] * 5)
        assert self.forge.told == [("buildbot/nix-build", "success")]

    @defer.inlineCallbacks
    def test_what_a_stop_cuts_off_is_no_defect(self) -> Generator[Any, Any, None]:
        self.forge.faults = [StoppedError("stopped")]
        yield self.outbox.tell([status()])
        assert self.flushLoggedErrors() == []
        assert (yield self.waiting()) == ["buildbot/nix-build"]
        self.reactor.pump([1.0] * 5)
        assert self.forge.told == [("buildbot/nix-build", "success")]

    @defer.inlineCallbacks
    def test_what_changes_on_the_way_is_told_after_it(self) -> Generator[Any, Any, None]:
        def change() -> None:
            self.forge.on_post = lambda: None
            self.outbox.tell([status(state="failure")])

        self.forge.on_post = change
        yield self.outbox.tell([status(state="pending")])
        told = [state for _, state in self.forge.told]
        assert told == ["pending", "failure"]
        assert (yield self.waiting()) == []

    @defer.inlineCallbacks
    def test_it_survives_a_restart(self) -> Generator[Any, Any, None]:
        self.forge.faults = [ForgeUnavailableError("bad gateway")]
        yield self.outbox.tell([status(), status("buildbot/nix-build a", "failure")])
        yield self.outbox.disownServiceParent()
        self.reactor.pump([60.0] * 20)
        assert self.forge.told == []
        yield self.start()
        assert sorted(context for context, _ in self.forge.told) == [
            "buildbot/nix-build",
            "buildbot/nix-build a",
        ]
        assert (yield self.waiting()) == []

    @defer.inlineCallbacks
    def test_a_check_run_is_updated(self) -> Generator[Any, Any, None]:
        self.forge.check_run = 42
        yield self.outbox.tell([status(state="pending")])
        yield self.outbox.tell([status()])
        assert [letter.check_run for letter in self.forge.taken] == [None, 42]
