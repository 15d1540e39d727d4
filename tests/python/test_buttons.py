"""What people enter where they press a button."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

from buildbot.schedulers.forcesched import ValidationErrorCollector
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.buttons import PullRequestParameter
from buildbot_nix.errors import ForgeUnavailableError
from buildbot_nix.projects import Projects

REVISION = "a" * 40


class FakeProjects:
    """Has pull request 7."""

    def agree(self, project: str, number: int) -> defer.Deferred[Any]:
        assert project == "team/site"
        if number == 8:
            return defer.fail(ValueError("there is nothing to build: it is a draft"))
        if number == 9:
            return defer.fail(ForgeUnavailableError("GitHub is away"))
        change = SimpleNamespace(
            branch=f"refs/pull/{number}/merge",
            revision=REVISION,
            properties={"event": "pull_request"},
        )
        return defer.succeed(change)


class TestPullRequest(unittest.TestCase):
    @defer.inlineCallbacks
    def enter(self, *values: object) -> Generator[Any, Any, tuple[Any, Any, dict[str, str]]]:
        """Source stamp, properties and errors after something was entered."""
        collector = ValidationErrorCollector()
        services = {Projects.SERVICE_NAME: FakeProjects()}
        master = SimpleNamespace(service_manager=SimpleNamespace(namedServices=services))
        stamps = {"": {"branch": "main", "revision": "", "project": "team/site"}}
        properties: dict[str, Any] = {}
        parameter = PullRequestParameter("team/site")
        yield collector.collectValidationErrors(
            parameter.fullName,
            parameter.updateFromKwargs,
            properties=properties,
            kwargs={"pull_request": list(values)},
            collector=collector,
            master=master,
            changes=[],
            sourcestamps=stamps,
        )
        return stamps[""], properties, collector.errors

    @defer.inlineCallbacks
    def test_without_one_a_branch_is_built(self) -> Generator[Any, Any, None]:
        for nothing in ((), ("",), (" ",)):
            stamp, properties, errors = yield self.enter(*nothing)
            assert (stamp["branch"], properties, errors) == ("main", {}, {})

    @defer.inlineCallbacks
    def test_its_change_is_filled_in(self) -> Generator[Any, Any, None]:
        for entered in ("7", " #7 ", 7):
            stamp, properties, errors = yield self.enter(entered)
            assert (stamp["branch"], stamp["revision"]) == ("refs/pull/7/merge", REVISION)
            assert stamp["project"] == "team/site"
            assert (properties, errors) == ({"event": "pull_request"}, {})

    @defer.inlineCallbacks
    def test_what_cannot_be_built_is_said_there(self) -> Generator[Any, Any, None]:
        for entered, words in {
            "seven": "expected the number",
            "-1": "expected the number",
            "1" * 30: "expected the number",
            "8": "it is a draft",
            "9": "GitHub is away",
        }.items():
            stamp, properties, errors = yield self.enter(entered)
            assert words in errors["pull_request"], errors
            assert (stamp["branch"], properties) == ("main", {})
