"""A master with projects of several owners, and people with different rights."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from buildbot.data import connector
from buildbot.data.exceptions import InvalidPathError
from buildbot.schedulers.forcesched import ForceScheduler
from buildbot.test import fakedb
from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from buildbot.www.authz.authz import Forbidden
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix._native import Permission, User
from buildbot_nix.auth.authz import AUTHOR_PROPERTY, Authorizer
from buildbot_nix.auth.sessions import user_details
from buildbot_nix.cancelling import CancelJobs
from tests.python.forge_plans import forge_plan, repository


def details(provider: str, login: str, *memberships: str) -> dict[str, Any]:
    """Somebody, as sessions describe them."""
    mail = f"{login}@example.org"
    return user_details(provider, login, full_name="", email=mail, memberships=memberships)


#: Projects by the number of their builders.
PROJECTS = {1: "team/site", 2: "team/secret", 3: "other/thing", 4: "polled"}
#: Builds of them have ten times that number.
ROLES = {
    "nobody": {"anonymous": True},
    "stranger": details("github", "eve"),
    "member": details("github", "alice", "team"),
    "author": details("github", "bob"),
    "namesake": details("gitea", "alice", "team"),
    "pretender": details("github", "mallory", "admin", "admins"),
    "admin": details("github", "root"),
}
#: May read the private repository.
READERS = {"alice"}


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
        parts = tuple(map(unquote, path.split("/")))
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
