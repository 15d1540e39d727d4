"""What is kept of a branch comes back, and no more is kept than there is room for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.history import BRANCHES_MAX, CLASS, NAMES_MAX, History


class TestHistory(TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        self.master = yield fakemaster.make_master(self, wantDb=True)
        self.history = History(self.master, "site")

    @defer.inlineCallbacks
    def test_names_come_back(self) -> Generator[Any, Any, None]:
        assert (yield self.history.names_of("main", 7)) is None
        yield self.history.keep("main", 7, "naïve")
        yield self.history.keep("topic", 8, "other")
        assert (yield self.history.names_of("main", 9)) == "naïve"
        assert (yield self.history.names_of("topic", 9)) == "other"
        assert (yield History(self.master, "other").names_of("main", 9)) is None

    @defer.inlineCallbacks
    def test_the_latest_build_counts(self) -> Generator[Any, Any, None]:
        yield self.history.keep("main", 7, "seven")
        yield self.history.keep("main", 5, "five")
        assert (yield self.history.names_of("main", 8)) == "seven"
        # What came after a build is nothing that it has lost.
        assert (yield self.history.names_of("main", 6)) is None
        assert (yield self.history.names_of("main", 7)) is None

    @defer.inlineCallbacks
    def test_the_oldest_branch_goes(self) -> Generator[Any, Any, None]:
        for number in range(BRANCHES_MAX):
            yield self.history.keep(f"b{number}", number, f"names {number}")
        yield self.history.keep("b0", 100, "again")
        yield self.history.keep("new", 101, "of the new")
        expected = {"b0": "again", "b1": None, "b2": "names 2", "new": "of the new"}
        for branch, names in expected.items():
            assert (yield self.history.names_of(branch, 1000)) == names

    @defer.inlineCallbacks
    def test_branches_kept_at_once_do_not_hide_each_other(self) -> Generator[Any, Any, None]:
        branches = [f"b{number}" for number in range(5)]
        yield defer.gatherResults([self.history.keep(it, 1, f"of {it}") for it in branches])
        for branch in branches:
            assert (yield self.history.names_of(branch, 2)) == f"of {branch}"

    @defer.inlineCallbacks
    def test_many_names_are_small(self) -> Generator[Any, Any, None]:
        names = ",".join(f'["x86_64-linux","package-number-{n}"]' for n in range(50_000))
        yield self.history.keep("main", 1, names)
        assert (yield self.history.names_of("main", 2)) == names
        object_id = yield self.master.db.state.getObjectId("site", CLASS)
        kept = yield self.master.db.state.getState(object_id, "names-0")
        assert len(kept) < 400_000
        yield self.history.keep("main", 3, "x" * (NAMES_MAX + 1))
        assert (yield self.history.names_of("main", 4)) == names

    @defer.inlineCallbacks
    def test_what_is_damaged_is_nothing(self) -> Generator[Any, Any, None]:
        yield self.history.keep("main", 1, "names")
        object_id = yield self.master.db.state.getObjectId("site", CLASS)
        for damaged in ("no base 85: \\ ", "", "0123456789"):
            yield self.master.db.state.setState(object_id, "names-0", damaged)
            assert (yield self.history.names_of("main", 2)) is None
