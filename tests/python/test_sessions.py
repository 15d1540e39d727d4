"""Who is logged in stays so, until they log out, it expires, or their membership ends."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.auth import memberships
from buildbot_nix.auth.memberships import BELIEVED, Memberships
from buildbot_nix.auth.sessions import Sessions
from buildbot_nix.auth.web import Session
from buildbot_nix.errors import ForgeUnavailableError
from buildbot_nix.state import State
from tests.python.forge_plans import forge_plan, repository

ANONYMOUS = {"anonymous": True}
ALICE: Any = SimpleNamespace(
    provider="github",
    login="alice",
    id="17",
    full_name="Alice </script>",
    email="alice@example.org",
    avatar="https://example.org/alice.png",
    memberships=["team", "elsewhere"],
)


class Base(TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        self.master = yield fakemaster.make_master(self, wantDb=True)
        yield State.find(self.master).migrate()
        self.sessions = yield self.started()

    @defer.inlineCallbacks
    def started(self) -> Generator[Any, Any, Sessions]:
        sessions = Sessions(lifetime=3600, logins=None)
        sessions.reconfigService(lifetime=3600, logins=None)
        yield sessions.setServiceParent(self.master)
        yield sessions.startService()
        return sessions


class TestSessions(Base):
    def test_a_key_means_somebody(self) -> None:
        key = self.sessions.begin(ALICE)
        info = self.sessions.user_info(key)
        self.assertEqual(info["username"], "github:alice")
        # Buildbot's page would end its script there.
        self.assertNotIn("<", info["full_name"])
        self.assertNotIn(key, str(info))
        self.assertEqual(self.sessions.avatar("github:alice"), "https://example.org/alice.png")
        for other in (None, "", key + "x"):
            self.assertEqual(self.sessions.user_info(other), ANONYMOUS)

    def test_logging_out_ends_one_session(self) -> None:
        one, other = self.sessions.begin(ALICE), self.sessions.begin(ALICE)
        self.sessions.end(one)
        self.sessions.end("unknown")
        self.assertEqual(self.sessions.user_info(one), ANONYMOUS)
        self.assertEqual(self.sessions.user_info(other)["login"], "alice")

    def test_sessions_expire(self) -> None:
        key = self.sessions.begin(ALICE)
        with mock.patch("time.time", return_value=time.time() + 3601):
            self.assertEqual(self.sessions.user_info(key), ANONYMOUS)
        self.assertEqual(self.sessions.user_info(key), ANONYMOUS)

    @defer.inlineCallbacks
    def test_sessions_outlive_the_master(self) -> Generator[Any, Any, None]:
        kept, ended = self.sessions.begin(ALICE), self.sessions.begin(ALICE)
        self.sessions.end(ended)
        yield self.sessions.disownServiceParent()
        again = yield self.started()
        self.assertEqual(again.user_info(kept)["memberships"], ["team", "elsewhere"])
        self.assertEqual(again.user_info(ended), ANONYMOUS)


class TestCookie(unittest.TestCase):
    def test_it_is_for_the_site_alone(self) -> None:
        for url, is_secure in (("https://ci.example/", True), ("http://ci.example/", False)):
            session = Session.__new__(Session)
            master = SimpleNamespace(config=SimpleNamespace(buildbotURL=url))
            session.site = SimpleNamespace(master=master)
            # A proxy has unpacked what came encrypted.
            request = mock.Mock(sitepath=[], isSecure=mock.Mock(return_value=False))
            with mock.patch.object(Session, "uid", b"key"):
                session.updateSession(request)
            [sent] = [call.kwargs for call in request.addCookie.call_args_list]
            self.assertEqual(sent["secure"], is_secure)
            self.assertEqual((sent["httpOnly"], sent["sameSite"]), (True, b"lax"))


class TestMemberships(Base):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        yield super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        plan = forge_plan(Path(folder.name), repository(), repository("gitea", "team/tool", 18))
        self.service = Memberships(plan=plan)
        yield self.service.reconfigService(plan=plan)
        yield self.service.setServiceParent(self.master)
        self.forges = mock.Mock()
        found = mock.Mock(return_value=self.forges)
        self.patch(memberships.ForgeService, "find", found)
        self.patch(Sessions, "find", mock.Mock(return_value=self.sessions))
        self.key = self.sessions.begin(ALICE)

    def later(self) -> Any:
        return mock.patch("time.time", return_value=time.time() + BELIEVED + 1)

    @defer.inlineCallbacks
    def now_is(self, standing: Any) -> Generator[Any, Any, dict[str, Any]]:
        """What becomes of the session when the forge says that."""
        self.forges.standing.return_value = standing
        with self.later():
            yield self.service._look()
        return self.sessions.user_info(self.key)

    @defer.inlineCallbacks
    def test_what_was_said_is_believed_for_a_while(self) -> Generator[Any, Any, None]:
        yield self.service._look()
        self.forges.standing.assert_not_called()

    @defer.inlineCallbacks
    def test_who_has_left_is_no_member(self) -> Generator[Any, Any, None]:
        info = yield self.now_is(SimpleNamespace(login="alice", memberships=[]))
        self.assertEqual(info["memberships"], [])
        # Asked for by number, and only where it matters: the owners of projects on that forge.
        [(_, id, repositories)] = [call.args for call in self.forges.standing.call_args_list]
        self.assertEqual(id, "17")
        self.assertEqual([asked.identity for asked in repositories], ["github:team/site"])

    @defer.inlineCallbacks
    def test_who_has_joined_is_one(self) -> Generator[Any, Any, None]:
        info = yield self.now_is(SimpleNamespace(login="alice", memberships=["team", "team/ci"]))
        self.assertEqual(info["memberships"], ["team", "team/ci"])

    @defer.inlineCallbacks
    def test_who_was_renamed_is_still_who_they_are(self) -> Generator[Any, Any, None]:
        """And is not whoever has taken the name since."""
        info = yield self.now_is(SimpleNamespace(login="alicia", memberships=["team"]))
        self.assertEqual((info["username"], info["login"]), ("github:alicia", "alicia"))
        self.assertEqual(self.sessions.avatar("github:alice"), "")
        yield self.sessions.disownServiceParent()
        again = yield self.started()
        self.assertEqual(again.user_info(self.key)["login"], "alicia")

    @defer.inlineCallbacks
    def test_who_is_gone_is_logged_out(self) -> Generator[Any, Any, None]:
        self.assertEqual((yield self.now_is(None)), ANONYMOUS)

    @defer.inlineCallbacks
    def test_a_forge_that_is_away_changes_nothing(self) -> Generator[Any, Any, None]:
        self.forges.standing.side_effect = ForgeUnavailableError("away", None)
        info = yield self.now_is(None)
        self.assertEqual(info["memberships"], ["team", "elsewhere"])
