"""Everybody has exactly their rights, on every path that Buildbot offers."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import quote, unquote

from buildbot.data import base
from buildbot.data.exceptions import InvalidPathError
from buildbot.data.resultspec import ResultSpec
from buildbot.test import fakedb
from buildbot.www.service import BuildbotSite
from twisted.internet import defer

from buildbot_nix.auth import authz
from buildbot_nix.auth.authz import ACTIONS, AUTHOR_PROPERTY, user_of
from buildbot_nix.auth.subjects import KEYS
from buildbot_nix.auth.web import KINDS, OF_THEIR_PATH, Personal, Site, sees_event
from buildbot_nix.memory import FORGET_PROPERTY
from tests.python.rights import PROJECTS, ROLES, Master

#: Members restart and stop; authors restart; what is private is not there for others.
RESTART = ("nnyynny", "--y---y", "nnnynny", "nnnnnny")
MEMBERS = ("nnynnny", "--y---y", "nnnnnny", "nnnnnny")
ADMINS = ("nnnnnny", "--n---y", "nnnnnny", "nnnnnny")
#: Of each thing that can be done to what belongs to a project: what roles may with each of
#: ``PROJECTS``, `y`es, `n`o, or `-` as if it was not there, in the order of ``ROLES``.
OF_PROJECTS = {
    ("builds/{number}0", "rebuild"): RESTART,
    ("builds/{number}0", "stop"): MEMBERS,
    ("builders/{number}/builds/1", "rebuild"): RESTART,
    ("builders/{number}/builds/1", "stop"): MEMBERS,
    ("builders/{quoted}%2Fnix-eval/builds/1", "rebuild"): RESTART,
    ("builders/{quoted}%2Fnix-eval/builds/1", "stop"): MEMBERS,
    ("buildrequests/{number}0", "cancel"): MEMBERS,
    ("buildrequests/{number}0", "set_priority"): ADMINS,
    ("forceschedulers/{slug}-force", "force"): MEMBERS,
    ("forceschedulers/{slug}-cancel", "force"): MEMBERS,
    ("schedulers/{number}", "enable"): ADMINS,
    ("masters/824/schedulers/{number}", "enable"): ADMINS,
    ("builders/{number}/workers/1", "pause"): ADMINS,
    ("builders/{number}/workers/local-0", "kill"): ADMINS,
    ("masters/824/builders/{number}/workers/1", "stop"): ADMINS,
    ("masters/824/builders/{number}/workers/local-0", "unpause"): ADMINS,
    ("builds/{number}0", "something new"): ADMINS,
}
#: Of other things, too.
RIGHTS = {
    ("forceschedulers/reload-github-projects", "force"): "nnnnnny",
    ("forceschedulers/no-such", "force"): "-------",
    ("workers/1", "kill"): "nnnnnny",
    ("workers/1", "pause"): "nnnnnny",
    ("workers/1", "stop"): "nnnnnny",
    ("workers/1", "unpause"): "nnnnnny",
    ("workers/1", "something new"): "nnnnnny",
    ("workers/local-0", "pause"): "nnnnnny",
    ("masters/824/workers/1", "pause"): "nnnnnny",
    ("masters/824/workers/local-0", "pause"): "nnnnnny",
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


def table() -> Iterator[tuple[str, str, str]]:
    """Path, action and what roles may of everything."""
    for (pattern, action), of_projects in OF_PROJECTS.items():
        for (number, project), expected in zip(PROJECTS.items(), of_projects, strict=True):
            slug, quoted = project.replace("/", "-"), quote(project, safe="")
            yield pattern.format(number=number, slug=slug, quoted=quoted), action, expected
    for (path, action), expected in RIGHTS.items():
        yield path, action, expected


def actions_of(endpoint: type[base.Endpoint]) -> set[str]:
    """What can be done there. Methods are named after it, or ``control`` compares words with it."""
    methods = dict(inspect.getmembers(endpoint, inspect.isfunction))
    named = {name.removeprefix("action").lower() for name in methods if name.startswith("action")}
    if endpoint.control is base.Endpoint.control:
        return named
    tree = ast.parse(textwrap.dedent(inspect.getsource(endpoint.control)))
    compared = [
        comparator
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and ast.unparse(node.left) == "action"
        for comparator in node.comparators
    ]
    words = [part.value for node in compared for part in ast.walk(node) if hasattr(part, "value")]
    assert words, f"{endpoint.__name__}.control is not understood any more"
    return named | set(words)


class TestRights(Master):
    @defer.inlineCallbacks
    def test_table(self) -> Generator[Any, Any, None]:
        for path, action, expected in table():
            found = []
            for role in ROLES:
                found.append((yield self.verdict(role, path, action)))
            self.assertEqual("".join(found), expected, f"{action} on {path}")

    def test_every_control_endpoint_is_in_the_table(self) -> None:
        """Both every action and every path that leads to one."""
        patterns = self.master.data.matcher._patterns
        control = {type(it): actions_of(type(it)) for it in patterns.values()}
        found = {(kind.__name__, action) for kind, actions in control.items() for action in actions}
        self.assertEqual(found, set(ACTIONS))
        tested, seen = set(), set()
        for path, action, _ in table():
            parts = tuple(map(unquote, path.split("/")))
            try:
                endpoint, arguments = self.master.data.getEndpoint(parts)
            except InvalidPathError:
                continue
            tested.add((type(endpoint).__name__, action))
            seen.add((type(endpoint), frozenset(arguments)))
        self.assertLessEqual(set(ACTIONS), tested)
        for pattern, endpoint in patterns.items():
            arguments = frozenset(part.split(":")[1] for part in pattern if ":" in part)
            if control[type(endpoint)]:
                self.assertIn((type(endpoint), arguments), seen, pattern)

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
    def test_forgetting_failures_is_a_right_of_its_own(self) -> Generator[Any, Any, None]:
        form = "forceschedulers/team-site-force"
        logged: list[str] = []
        self.patch(authz.log, "msg", logged.append)
        for role, expected in (("member", "y"), ("stranger", "n")):
            found = yield self.verdict(role, form, "force", **{FORGET_PROPERTY: True})
            self.assertEqual(found, expected)
        self.assertIn("github:alice did force on", logged[0])
        self.assertIn(", and to forget failures", logged[0])
        self.assertIn("github:eve was denied force on", logged[1])

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
    def test_badges_are_of_what_everybody_may_see(self) -> None:
        for path, expected in (
            ([b"team/site/nix-eval.svg"], True),
            ([b"team/site/nix-eval.png"], True),
            ([b"team/secret/nix-eval.svg"], False),
            ([b"reload-github-projects.svg"], False),
            ([b"github:team/secret#checks.a.svg"], False),
            ([b"\xff.svg"], False),
            ([b"team", b"site"], False),
            ([], False),
        ):
            self.assertEqual(self.authz.shows_badge(path), expected, path)
            site = Site.__new__(Site)
            site.master = SimpleNamespace(www=SimpleNamespace(authz=self.authz))
            request = mock.Mock(postpath=[b"plugins", b"badges", *path])
            with mock.patch.object(BuildbotSite, "getResourceFor", return_value="a badge"):
                found = site.getResourceFor(request)
            self.assertEqual(found == "a badge", expected, path)

    @defer.inlineCallbacks
    def names(self, role: str, path: str) -> Generator[Any, Any, set[str]]:
        endpoint, arguments = self.master.data.getEndpoint(tuple(path.split("/")))
        visible = Personal(endpoint, self.authz, ROLES[role])
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
