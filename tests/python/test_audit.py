"""What builds say of who did something; what a request says of that does not count."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from buildbot.data.exceptions import InvalidPathError
from buildbot.test import fakedb
from twisted.internet import defer

from buildbot_nix.auth.web import Personal
from tests.python.rights import ROLES, Master


class TestAudit(Master):
    def personal(self, role: str, *path: str) -> tuple[Personal, dict[str, Any]]:
        endpoint, arguments = self.master.data.getEndpoint(path)
        return Personal(endpoint, self.authz, ROLES[role]), arguments

    @defer.inlineCallbacks
    def test_stop_and_cancel(self) -> Generator[Any, Any, None]:
        for path, action in (
            (("builds", "10"), "stop"),
            (("buildrequests", "10"), "cancel"),
            (("forceschedulers", "team-site-cancel"), "force"),
        ):
            options = {"reason": "too slow"}
            yield self.authz.assertUserAllowed(path, action, options, ROLES["member"])
            self.assertEqual(options["reason"], "too slow (by github:alice)")

    @defer.inlineCallbacks
    def test_force(self) -> Generator[Any, Any, None]:
        scheduler = self.master.allSchedulers()[0]
        calls: list[dict[str, Any]] = []
        self.patch(scheduler, "force", lambda **args: defer.succeed(calls.append(args)))
        path = ("forceschedulers", scheduler.name)
        for role, owner in (
            ("member", "github:alice"),
            ("nobody", "somebody who is not logged in"),
        ):
            endpoint, arguments = self.personal(role, *path)
            # As Buildbot gives it.
            yield endpoint.control("force", {"owner": "root@example.org", "x": "y"}, arguments)
            self.assertEqual(calls.pop(), {"owner": owner, "x": "y"})

    @defer.inlineCallbacks
    def test_rebuild(self) -> Generator[Any, Any, None]:
        forced = [
            fakedb.BuildsetProperty(buildsetid=10, property_name=name, property_value=value)
            for name, value in (("owner", '["github:root", "Force"]'), ("flag", '[true, "Force"]'))
        ]
        yield self.master.db.insert_test_data(forced)
        for path in (("builds", "10"), ("builders", "1", "builds", "1")):
            endpoint, arguments = self.personal("author", *path)
            number, requests = yield endpoint.control("Rebuild", {"owner": "x"}, arguments)
            self.assertEqual(list(requests), [1])
            properties = yield self.master.db.buildsets.getBuildsetProperties(number)
            self.assertEqual(properties["owner"], ("github:bob", "rebuild"))
            self.assertEqual(properties["flag"], (True, "Force"))
            buildset = yield self.master.db.buildsets.getBuildset(number)
            self.assertEqual((buildset.reason, buildset.rebuilt_buildid), ("rebuild", 10))
            self.assertEqual(buildset.sourcestamps, [10])

    @defer.inlineCallbacks
    def test_what_is_not_there(self) -> Generator[Any, Any, None]:
        endpoint, arguments = self.personal("admin", "builders", "1", "builds", "99")
        with self.assertRaises(InvalidPathError):
            yield endpoint.control("rebuild", {}, arguments)
