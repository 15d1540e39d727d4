"""Everybody has exactly their rights, on every path that Buildbot offers."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from buildbot.data import base, connector
from buildbot.data.exceptions import InvalidPathError
from buildbot.data.resultspec import ResultSpec
from buildbot.schedulers.forcesched import ForceScheduler
from buildbot.test import fakedb
from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from buildbot.www.authz.authz import Forbidden
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix._native import Permission, User
from buildbot_nix.auth.authz import ACTIONS, AUTHOR_PROPERTY, Authorizer, user_of
from buildbot_nix.auth.subjects import KEYS
from buildbot_nix.auth.web import KINDS, OF_THEIR_PATH, Visible, sees_event
from buildbot_nix.cancelling import CancelJobs
from tests.python.forge_plans import forge_plan, repository

#: Endpoints with a method `control` of their own, whose actions ``ACTIONS`` lists. Those of others
#: are found by their names.
OWN_CONTROL = {
    "BuildRequestEndpoint",
    "ForceSchedulerEndpoint",
    "SchedulerEndpoint",
    "WorkerEndpoint",
}

#: Projects by the number of their builders.
PROJECTS = {1: "team/site", 2: "team/secret", 3: "other/thing", 4: "polled"}
#: Builds of them have ten times that number.
ROLES = {
    "nobody": {"anonymous": True},
    "stranger": {"provider": "github", "username": "eve", "memberships": []},
    "member": {"provider": "github", "username": "alice", "memberships": ["team"]},
    "author": {"provider": "github", "username": "bob", "memberships": []},
    "namesake": {"provider": "gitea", "username": "alice", "memberships": ["team"]},
    "pretender": {"provider": "github", "username": "mallory", "memberships": ["admin", "admins"]},
    "admin": {"provider": "github", "username": "root", "memberships": []},
}
#: May read the private repository.
READERS = {"alice"}

#: Of each thing that can be done: what roles may, `y`es, `n`o, or `-` as if it was not there, in
#: the order of ``ROLES``.
RIGHTS = {
    ("builds/10", "rebuild"): "nnyynny",
    ("builds/10", "stop"): "nnynnny",
    ("builds/20", "rebuild"): "--y---y",
    ("builds/20", "stop"): "--y---y",
    ("builds/30", "rebuild"): "nnnynny",
    ("builds/30", "stop"): "nnnnnny",
    ("builds/40", "stop"): "nnnnnny",
    ("builders/1/builds/1", "rebuild"): "nnyynny",
    ("builders/2/builds/1", "stop"): "--y---y",
    ("buildrequests/10", "cancel"): "nnynnny",
    ("buildrequests/10", "set_priority"): "nnnnnny",
    ("buildrequests/20", "cancel"): "--y---y",
    ("buildrequests/20", "set_priority"): "--n---y",
    ("forceschedulers/team-site-force", "force"): "nnynnny",
    ("forceschedulers/team-secret-force", "force"): "--y---y",
    ("forceschedulers/other-thing-force", "force"): "nnnnnny",
    ("forceschedulers/reload-github-projects", "force"): "nnnnnny",
    ("forceschedulers/team-site-cancel", "force"): "nnynnny",
    ("forceschedulers/team-secret-cancel", "force"): "--y---y",
    ("forceschedulers/other-thing-cancel", "force"): "nnnnnny",
    ("forceschedulers/no-such", "force"): "-------",
    ("schedulers/1", "enable"): "nnnnnny",
    ("schedulers/2", "enable"): "--n---y",
    ("workers/1", "kill"): "nnnnnny",
    ("workers/1", "pause"): "nnnnnny",
    ("workers/1", "stop"): "nnnnnny",
    ("workers/1", "unpause"): "nnnnnny",
    ("workers/1", "something new"): "nnnnnny",
    ("builds/10", "something new"): "nnnnnny",
    ("builds", "get"): "yyyyyyy",
    ("builds/10", "get"): "yyyyyyy",
    ("builds/20", "GET"): "--y---y",
    ("builds/20/properties", "get"): "--y---y",
    ("builders/2", "get"): "--y---y",
    ("steps/20", "get"): "--y---y",
    ("logs/20/contents", "get"): "--y---y",
    ("logs/20/raw", "HEAD"): "--y---y",
    ("changes/20", "get"): "--y---y",
    ("sourcestamps/20", "get"): "--y---y",
    ("buildsets/20", "get"): "--y---y",
    ("workers/1", "get"): "yyyyyyy",
    # What is not there is not there for anybody.
    ("builds/99", "get"): "-------",
    ("builders/99/builds/1", "stop"): "-------",
}


class Master(TestReactorMixin, unittest.TestCase):
    """A master with some builds of each project, and an authorizer that asks no forge."""

    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.master = yield fakemaster.make_master(self, wantDb=True, wantMq=True)
        self.master.data = connector.DataConnector()
        yield self.master.data.setServiceParent(self.master)
        polled = {"polled": {"url": "https://git.example/polled", "default_branch": "main"}}
        plan = forge_plan(
            Path(folder.name),
            repository(full_name="team/site", number=1),
            repository(full_name="team/secret", number=2, private=True),
            repository(full_name="other/thing", number=3),
            auth_backend="github",
            admins=["root"],
            github={
                "token_file": "./token",
                "webhook_secret_file": "./webhook-secret",
                "oauth_id": "app",
                "oauth_secret_file": "./token",
            },
            pull_based={"repositories": polled},
        )
        self.authz = Authorizer(plan, None)
        self.authz.setMaster(self.master)
        self.authz._permissions = self  # type: ignore[assignment]
        self.asked: list[tuple[str, str]] = []
        yield self.master.db.insert_test_data(list(rows()))
        forced = [f"{name.replace('/', '-')}-force" for name in PROJECTS.values()]
        schedulers = [
            ForceScheduler(name=name, builderNames=[f"{project}/nix-eval"])
            for name, project in zip(forced, PROJECTS.values(), strict=True)
        ]
        schedulers.append(
            ForceScheduler(name="reload-github-projects", builderNames=["reload-github-projects"])
        )
        schedulers += [
            CancelJobs(
                name=f"{project.replace('/', '-')}-cancel", builderNames=[f"{project}/nix-eval"]
            )
            for project in PROJECTS.values()
        ]
        for scheduler in schedulers:
            yield scheduler.reconfigServiceWithSibling(scheduler)
            scheduler.parent = scheduler._master = self.master
        self.master.allSchedulers = lambda: schedulers

    async def of(self, user: User, project: str) -> Permission:
        """Stands for ``Permissions``."""
        self.asked.append((user.login, project))
        may = user.login in READERS and user.provider == "github" and project in PROJECTS.values()
        return Permission.Read if may else Permission.Nothing

    @defer.inlineCallbacks
    def verdict(
        self, role: str, path: str, action: str, **options: object
    ) -> Generator[Any, Any, str]:
        parts = tuple(path.split("/"))
        try:
            yield self.authz.assertUserAllowed(parts, action, options, ROLES[role])
        except Forbidden:
            return "n"
        except InvalidPathError:
            return "-"
        return "y"


def rows() -> Generator[fakedb.Row, None, None]:
    """A builder, a change, a build with step and log, and a scheduler of each project."""
    yield fakedb.Master(id=fakedb.FakeDBConnector.MASTER_ID)
    yield fakedb.Worker(id=1, name="local-0")
    yield fakedb.Builder(id=9, name="reload-github-projects")
    for number, project in PROJECTS.items():
        ten = 10 * number
        yield fakedb.Project(id=number, name=project)
        yield fakedb.Builder(id=number, name=f"{project}/nix-eval", projectid=number)
        yield fakedb.Change(changeid=ten, project=project)
        yield fakedb.SourceStamp(id=ten, project=project)
        yield fakedb.Buildset(id=ten)
        yield fakedb.BuildsetSourceStamp(buildsetid=ten, sourcestampid=ten)
        yield fakedb.BuildRequest(id=ten, buildsetid=ten, builderid=number)
        yield fakedb.Build(
            id=ten,
            number=1,
            builderid=number,
            buildrequestid=ten,
            workerid=1,
            masterid=fakedb.FakeDBConnector.MASTER_ID,
        )
        yield fakedb.BuildProperty(
            buildid=ten, name=AUTHOR_PROPERTY, value="github:bob", source="Change"
        )
        yield fakedb.Step(id=ten, number=0, name="step", buildid=ten)
        yield fakedb.Log(id=ten, name="stdio", slug="stdio", stepid=ten, type="s")
        name = f"{project.replace('/', '-')}-primary"
        yield fakedb.Scheduler(id=number, name=name)


class TestRights(Master):
    @defer.inlineCallbacks
    def test_table(self) -> Generator[Any, Any, None]:
        for (path, action), expected in RIGHTS.items():
            found = []
            for role in ROLES:
                found.append((yield self.verdict(role, path, action)))
            self.assertEqual("".join(found), expected, f"{action} on {path}")

    def test_every_control_endpoint_is_in_the_table(self) -> None:
        found = set()
        for endpoint in set(self.master.data.matcher._patterns.values()):
            kind = type(endpoint)
            if kind.control is not base.Endpoint.control:
                self.assertIn(kind.__name__, OWN_CONTROL)
                found |= {name for name in ACTIONS if name[0] == kind.__name__}
            for name, _ in inspect.getmembers(kind, inspect.isfunction):
                if name.startswith("action"):
                    found.add((kind.__name__, name.removeprefix("action").lower()))
        self.assertEqual(found, set(ACTIONS))
        tested = set()
        for path, action in RIGHTS:
            try:
                endpoint, _ = self.master.data.getEndpoint(tuple(path.split("/")))
            except InvalidPathError:
                continue
            tested.add((type(endpoint).__name__, action))
        self.assertLessEqual(set(ACTIONS), tested)

    @defer.inlineCallbacks
    def test_force_is_about_the_builder_that_is_asked_for(self) -> Generator[Any, Any, None]:
        own = "forceschedulers/team-site-force"
        for options, expected in (
            ({"builderid": 1}, "y"),
            ({"builderid": 3}, "n"),
            # Buildbot starts only those of the scheduler's own.
            ({"builderNames": ["team/site/nix-eval", "other/thing/nix-eval"]}, "y"),
            ({"builderid": 9}, "n"),
        ):
            found = yield self.verdict("member", own, "force", **options)
            self.assertEqual(found, expected, options)

    @defer.inlineCallbacks
    def test_a_build_says_who_stopped_it(self) -> Generator[Any, Any, None]:
        for path, action in (
            (("builds", "10"), "stop"),
            (("buildrequests", "10"), "cancel"),
            (("forceschedulers", "team-site-cancel"), "force"),
        ):
            options = {"reason": "too slow"}
            yield self.authz.assertUserAllowed(path, action, options, ROLES["member"])
            self.assertEqual(options["reason"], "too slow (by github:alice)")

    @defer.inlineCallbacks
    def test_who_forces_a_build_does_not_become_its_author(self) -> Generator[Any, Any, None]:
        forged = fakedb.BuildProperty(
            buildid=10, name=AUTHOR_PROPERTY, value="github:eve", source="Force Build Form"
        )
        yield self.master.db.insert_test_data([forged])
        self.assertEqual((yield self.verdict("stranger", "builds/10", "rebuild")), "n")

    @defer.inlineCallbacks
    def test_forges_are_asked_about_what_is_private_only(self) -> Generator[Any, Any, None]:
        for role in ROLES:
            yield self.verdict(role, "builds/10", "get")
            yield self.verdict(role, "builds/10", "stop")
        self.assertEqual(self.asked, [])
        yield self.verdict("member", "builds/20", "get")
        self.assertEqual(self.asked, [("alice", "team/secret")])

    @defer.inlineCallbacks
    def test_what_is_gone_is_private(self) -> Generator[Any, Any, None]:
        yield self.master.db.insert_test_data(
            [
                fakedb.Project(id=7, name="team/gone"),
                fakedb.Builder(id=7, name="team/gone/nix-eval", projectid=7),
            ]
        )
        found = []
        for role in ROLES:
            found.append((yield self.verdict(role, "builders/7", "get")))
        self.assertEqual("".join(found), "------y")


class TestVisibility(Master):
    @defer.inlineCallbacks
    def names(self, role: str, path: str) -> Generator[Any, Any, set[str]]:
        endpoint, arguments = self.master.data.getEndpoint(tuple(path.split("/")))
        visible = Visible(endpoint, self.authz, ROLES[role])
        records = yield visible.get(ResultSpec(), arguments)
        return {str(record) for record in records}

    @defer.inlineCallbacks
    def test_lists_do_not_mention_what_is_hidden(self) -> Generator[Any, Any, None]:
        lists = [
            "/".join(path)
            for path, endpoint in self.master.data.matcher._patterns.items()
            if endpoint.kind == base.EndpointKind.COLLECTION and len(path) == 1
        ]
        self.assertIn("builds", lists)
        for path in lists:
            seen = {}
            for role in ROLES:
                seen[role] = yield self.names(role, path)
            for role in ("nobody", "stranger", "author", "namesake", "pretender"):
                self.assertNotIn("secret", str(seen[role]), (role, path))
            self.assertLessEqual(seen["nobody"], seen["member"], path)
            self.assertLessEqual(seen["member"], seen["admin"], path)
            if path in ("builds", "builders", "buildrequests", "changes", "projects"):
                self.assertEqual(len(seen["member"]) - len(seen["nobody"]), 1, path)

    @defer.inlineCallbacks
    def test_events_do_not_mention_what_is_hidden(self) -> Generator[Any, Any, None]:
        messages = [
            (["builds", "20", "new"], {"buildid": 20, "builderid": 2}),
            (["builders", "2", "builds", "1", "finished"], {"buildid": 20, "builderid": 2}),
            (["steps", "20", "new"], {"stepid": 20, "buildid": 20}),
            (["logs", "20", "append"], {"logid": 20, "stepid": 20, "content": "secret"}),
            (["changes", "20", "new"], {"changeid": 20, "project": "team/secret"}),
            (["buildsets", "20", "new"], {"bsid": 20}),
            (["schedulers", "2", "updated"], {"schedulerid": 2, "name": "team-secret-primary"}),
        ]
        for event, message in messages:
            for role, expected in zip(ROLES, "nnynnny", strict=True):
                user = user_of(ROLES[role])
                seen = yield defer.ensureDeferred(sees_event(self.authz, user, event, message))
                self.assertEqual(seen, expected == "y", (event, role))
        for event in (["control", "builds", "20", "stop"], ["whatever"], ["of", "the", "future"]):
            for role in ROLES:
                user = user_of(ROLES[role])
                seen = yield defer.ensureDeferred(sees_event(self.authz, user, event, {}))
                self.assertEqual(seen, role == "admin", (event, role))

    def test_every_type_can_be_told_apart(self) -> None:
        """A type that Buildbot adds must say what it belongs to, or nobody but admins sees it."""
        from buildbot_nix.auth.subjects import INSTANCE_TYPES, NAMED_TYPES

        for name, kind in vars(self.master.data.rtypes).items():
            if name in INSTANCE_TYPES | NAMED_TYPES.keys() | OF_THEIR_PATH:
                continue
            fields = set(kind.entityType.fields) if hasattr(kind, "entityType") else set()
            self.assertTrue(fields & set(KEYS), f"{name} has {fields}")
        self.assertLessEqual(set(KINDS.values()), set(vars(self.master.data.rtypes)))
