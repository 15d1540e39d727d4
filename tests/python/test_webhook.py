"""Deliveries of forges: answered at once, kept, acted on once and in order."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from buildbot.www.change_hook import ChangeHookResource
from twisted.internet import defer
from twisted.trial import unittest
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import Request, Site
from twisted.web.test.requesthelper import DummyChannel

from buildbot_nix._native import BODY_BYTES_MAX, ForgeKind, Permission
from buildbot_nix.errors import BuildbotNixError, StoppedError
from buildbot_nix.forges import ForgeService
from buildbot_nix.inbox import Inbox
from buildbot_nix.run_events import RunEvent, RunEvents, RunHeld, RunLetGo
from buildbot_nix.state import DeliveryTable, KnownHeads, State
from buildbot_nix.webhook import PATIENCE_SECONDS, ForgeHook
from tests.python.forge_plans import (
    NEW,
    NEWER,
    OLD,
    forge_plan,
    headers,
    pull_request,
    push,
    repository,
)


class FakeForges:
    """What forges would say."""

    def __init__(self) -> None:
        self.members: set[str] = set()
        self.heads: dict[str, str] = {}
        self.asked: list[str] = []
        self.faults: list[BuildbotNixError] = []

    def permission(self, _repository: object, user: str) -> Permission:
        self.asked.append(user)
        if self.faults:
            raise self.faults.pop()
        return Permission.Write if user in self.members else Permission.Read

    def branch_head(self, _repository: object, branch: str) -> str | None:
        self.asked.append(branch)
        return self.heads.get(branch)

    def close(self) -> None:
        pass


class HookTestCase(TestReactorMixin):
    """A master with a webhook, and forges that say what they are told to."""

    settings: ClassVar[dict[str, object]] = {}

    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.master = yield fakemaster.make_master(self, wantDb=True, wantData=True, wantMq=True)
        plan = forge_plan(Path(folder.name), repository(), **self.settings)
        self.forges = FakeForges()
        forges = ForgeService(plan=plan)
        self.inbox = Inbox(plan=plan)
        yield forges.setServiceParent(self.master)
        yield self.inbox.setServiceParent(self.master)
        yield self.master.startService()
        self.reactor.advance(0)
        self.addCleanup(self.master.stopService)
        forges.forges = self.forges  # type: ignore[assignment]
        self.master.www = Mock()
        self.master.service_manager = self.master
        self.resource = ChangeHookResource(master=self.master)
        self.resource.dialects = {"github": {"custom_class": ForgeHook, "forge": ForgeKind.Github}}
        self.cancelled: list[object] = []
        self.patch(self.master.data, "control", self._control)
        self.number = 0
        self.sent: dict[Request, DummyChannel] = {}

    def _control(self, action: str, _: object, path: object) -> defer.Deferred[None]:
        self.cancelled.append((action, path))
        return defer.succeed(None)

    def send(
        self, event: str, payload: object, *, body: bytes | None = None, **changed: str
    ) -> Request:
        """Sends a delivery; the answer is in what is returned."""
        self.number += 1
        if body is None:
            body = json.dumps(payload).encode()
        sent = headers(body, event, f"delivery-{self.number}")
        sent.update((name.replace("_", "-"), value) for name, value in changed.items())
        channel = DummyChannel()
        channel.site = Site(Resource())
        request = Request(channel, False)
        request.requestHeaders = Headers({name: [value] for name, value in sent.items()})
        request.gotLength(len(body))
        request.content.write(body)
        request.content.seek(0)
        request.method = sent.pop("method", "POST").encode()
        request.uri = b"/change_hook/github"
        request.clientproto = b"HTTP/1.1"
        self.resource.render_POST(request)
        self.sent[request] = channel
        return request

    def answer(self, request: Request) -> bytes:
        """The body of the answer."""
        written: bytes = self.sent[request].transport.written.getvalue()
        return written.partition(b"\r\n\r\n")[2]

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Branch and revision of each change that was made."""
        added = self.master.data.updates.changesAdded
        return [(change["branch"], change["revision"]) for change in added]

    @defer.inlineCallbacks
    def settle(self) -> Generator[Any, Any, None]:
        """Waits until all that was delivered is done."""
        while self.inbox._running:
            yield defer.DeferredList(list(self.inbox._running))


class TestWebhook(HookTestCase, unittest.TestCase):
    @defer.inlineCallbacks
    def test_a_push_is_a_change(self) -> Generator[Any, Any, None]:
        request = self.send("push", push())
        yield self.settle()
        assert request.code == 202
        [change] = self.master.data.updates.changesAdded
        assert change["branch"] == "main"
        assert change["author"] == "Alice <alice@example.org>"
        assert change["category"] is None
        assert change["project"] == "team/site"
        assert change["repository"] == "https://github.com/team/site"
        assert change["properties"] == {"event": "push"}
        assert change["src"] == "git"
        heads = KnownHeads(State.find(self.master), "team/site")
        assert list((yield heads.all())) == ["main"]
        assert (yield DeliveryTable(State.find(self.master)).undone()) == []

    @defer.inlineCallbacks
    def test_what_is_wrong_is_refused_with_a_reason(self) -> Generator[Any, Any, None]:
        cases = [
            (self.send("push", push(), x_hub_signature_256=""), 401, b"not signed"),
            (self.send("push", push(), x_hub_signature_256="sha256=" + "0" * 64), 403, b"secret"),
            (self.send("push", push(), content_type="text/html"), 415, b"text/html"),
            (self.send("push", {"ref": "refs/heads/main"}), 400, b"`push` event"),
            (self.send("push", None, body=b"<html>"), 400, b"`push` event"),
            (self.send("push", None, body=b" " * (BODY_BYTES_MAX + 1)), 413, b"larger"),
        ]
        yield self.settle()
        for request, status, text in cases:
            assert request.code == status
            assert text in self.answer(request)
        assert self.changes == []
        # Nothing of that is worth a traceback.
        assert self.flushLoggedErrors() == []

    @defer.inlineCallbacks
    def test_only_posts_are_deliveries(self) -> Generator[Any, Any, None]:
        request = self.send("push", push(), method="GET")
        yield self.settle()
        assert request.code == 405

    @defer.inlineCallbacks
    def test_what_nobody_knows_is_acknowledged(self) -> Generator[Any, Any, None]:
        request = self.send("sponsorship", {"action": "created"})
        yield self.settle()
        assert (request.code, self.changes) == (202, [])

    @defer.inlineCallbacks
    def test_a_repetition_is_acknowledged_and_does_nothing(self) -> Generator[Any, Any, None]:
        first = self.send("push", push(), x_github_delivery="one")
        again = self.send("push", push(NEWER, NEW), x_github_delivery="one")
        yield self.settle()
        later = self.send("push", push(NEWER, NEW), x_github_delivery="one")
        yield self.settle()
        assert [first.code, again.code, later.code] == [202, 200, 200]
        assert self.changes == [("main", NEW)]

    @defer.inlineCallbacks
    def test_the_same_commit_is_built_once(self) -> Generator[Any, Any, None]:
        self.send("push", push())
        self.send("push", push())
        yield self.settle()
        assert self.changes == [("main", NEW)]

    @defer.inlineCallbacks
    def test_a_late_push_is_not_built(self) -> Generator[Any, Any, None]:
        self.forges.heads = {"main": NEWER}
        self.send("push", push(NEWER, NEW))
        self.send("push", push(NEW, OLD))
        yield self.settle()
        assert self.changes == [("main", NEWER)]
        assert self.forges.asked == ["main"]

    @defer.inlineCallbacks
    def test_a_branch_that_is_set_back_is_built(self) -> Generator[Any, Any, None]:
        self.send("push", push(NEW, OLD))
        self.send("push", push(OLD, NEW))
        yield self.settle()
        assert self.changes == [("main", NEW), ("main", OLD)]
        assert self.forges.asked == []

    @defer.inlineCallbacks
    def test_a_commit_to_be_skipped_is_remembered(self) -> Generator[Any, Any, None]:
        skipped = push()
        skipped["head_commit"]["message"] = "Docs [skip ci]"
        self.send("push", skipped)
        self.send("push", push(NEWER, NEW))
        yield self.settle()
        assert self.changes == [("main", NEWER)]

    @defer.inlineCallbacks
    def test_the_end_of_a_pull_request_cancels_its_runs(self) -> Generator[Any, Any, None]:
        row = {"builderid": 5}
        requests = [
            {"buildrequestid": 1, "buildsetid": 11},
            {"buildrequestid": 2, "buildsetid": 12},
        ]
        stamps = {11: "refs/pull/7/merge", 12: "main"}

        real = self.master.data.get

        def get(path: tuple[Any, ...], **more: Any) -> defer.Deferred[Any]:
            if path == ("builders", "team/site/nix-eval"):
                return defer.succeed(row)
            if path == ("builders", 5, "buildrequests"):
                return defer.succeed(requests)
            if path[0] == "buildsets":
                return defer.succeed({"sourcestamps": [{"branch": stamps[path[1]]}]})
            return real(path, **more)  # type: ignore[no-any-return]

        self.patch(self.master.data, "get", get)
        self.send("pull_request", pull_request())
        self.send("pull_request", pull_request("closed"))
        # Opened again, the same head is news.
        self.send("pull_request", pull_request("reopened"))
        yield self.settle()
        assert self.cancelled == [("cancel", ("buildrequests", "1"))]
        assert self.changes == [("refs/pull/7/merge", NEW)] * 2

    @defer.inlineCallbacks
    def test_a_burst_takes_few_transactions(self) -> Generator[Any, Any, None]:
        written: list[int] = []
        table = self.inbox._table
        add = table.add

        def counting(deliveries: list[Any]) -> Any:
            written.append(len(deliveries))
            return add(deliveries)

        self.patch(table, "add", counting)
        # As long as the database is busy, deliveries gather.
        migrating = State.find(self.master)._migrating
        yield migrating.acquire()
        requests = [self.send("sponsorship", {}) for _ in range(50)]
        migrating.release()
        yield self.settle()
        assert [request.code for request in requests] == [202] * 50
        assert written == [1, 49]

    @defer.inlineCallbacks
    def test_a_database_that_is_away_is_said(self) -> Generator[Any, Any, None]:
        migrating = State.find(self.master)._migrating
        yield migrating.acquire()
        request = self.send("push", push())
        self.reactor.advance(PATIENCE_SECONDS)
        assert request.code == 503
        # It counts all the same, and the forge may say it once more.
        migrating.release()
        yield self.settle()
        assert self.changes == [("main", NEW)]

    @defer.inlineCallbacks
    def test_what_was_not_done_is_done_after_a_start(self) -> Generator[Any, Any, None]:
        lock = self.master.initLock
        yield lock.acquire()
        self.send("push", push())
        yield self.inbox.disownServiceParent()
        lock.release()
        assert self.changes == []
        inbox = Inbox(plan=self.inbox._plan)
        yield inbox.setServiceParent(self.master)
        self.reactor.advance(0)
        self.inbox = inbox
        yield self.settle()
        assert self.changes == [("main", NEW)]


class TestApproval(HookTestCase, unittest.TestCase):
    """What becomes of pull requests of strangers if a member has to agree."""

    settings: ClassVar[dict[str, object]] = {"pull_requests": {"trust": "approve"}}
    BRANCH = "refs/pull/7/merge"

    def comment(self, body: str, author: str = "carol") -> None:
        comment = {"body": body, "user": {"login": author}, "author_association": "NONE"}
        issue = {"number": 7, "pull_request": {}}
        repository = push()["repository"]
        payload = {"action": "created", "issue": issue, "comment": comment}
        self.send("issue_comment", {**payload, "repository": repository})

    @defer.inlineCallbacks
    def test_it_waits_for_a_member(self) -> Generator[Any, Any, None]:
        self.forges.members = {"carol"}
        self.send("pull_request", pull_request())
        yield self.settle()
        assert (self.changes, self.forges.asked) == ([], ["bob"])
        self.comment("/build", author="bob")
        yield self.settle()
        assert self.changes == []
        self.comment("/build")
        yield self.settle()
        assert self.changes == [(self.BRANCH, NEW)]
        # What comes afterwards waits again.
        self.send("pull_request", pull_request("synchronize", NEWER, before=NEW))
        yield self.settle()
        assert self.changes == [(self.BRANCH, NEW)]

    @defer.inlineCallbacks
    def test_agreement_outlives_other_settings(self) -> Generator[Any, Any, None]:
        self.forges.members = {"carol"}
        self.send("pull_request", pull_request())
        yield self.settle()
        self.forges.faults = [StoppedError("stopped")]
        self.comment("/build")
        yield self.settle()
        assert self.changes == [(self.BRANCH, NEW)]
        assert self.forges.faults == []

    @defer.inlineCallbacks
    def test_what_waits_is_told(self) -> Generator[Any, Any, None]:
        told: list[RunEvent] = []
        RunEvents.find(self.master).subscribe(told.append)
        self.send("pull_request", pull_request())
        # The same once more, for another branch: nothing has ended.
        self.forges.heads[self.BRANCH] = NEW
        elsewhere = pull_request("edited", changes={"base": {"ref": {"from": "main"}}})
        elsewhere["pull_request"]["base"]["ref"] = "dev"
        self.send("pull_request", elsewhere)
        self.send("pull_request", pull_request("synchronize", NEWER, before=NEW))
        self.send("pull_request", pull_request("closed", NEWER))
        yield self.settle()
        page = f"{self.master.config.buildbotURL}#/builders/"
        held = [(event.revision, event.url) for event in told if isinstance(event, RunHeld)]
        assert [revision for revision, _ in held] == [NEW, NEW, NEWER]
        assert all(url.startswith(page) for _, url in held)
        assert [event for event in told if isinstance(event, RunLetGo)] == [
            RunLetGo("team/site", NEW, "there is a newer commit"),
            RunLetGo("team/site", NEWER, "pull request #7 of team/site was closed"),
        ]
        assert isinstance(told[-1], RunLetGo)

    @defer.inlineCallbacks
    def test_a_member_may_mean_one_commit(self) -> Generator[Any, Any, None]:
        self.forges.members = {"carol"}
        self.send("pull_request", pull_request())
        self.comment(f"/build {NEWER[:8]}")
        yield self.settle()
        assert self.changes == []
        self.comment(f"/build {NEW[:8]}")
        yield self.settle()
        assert self.changes == [(self.BRANCH, NEW)]

    @defer.inlineCallbacks
    def test_a_member_does_not_wait(self) -> Generator[Any, Any, None]:
        self.forges.members = {"bob"}
        self.send("pull_request", pull_request())
        yield self.settle()
        assert self.changes == [(self.BRANCH, NEW)]
