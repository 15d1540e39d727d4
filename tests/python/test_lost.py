"""Which evaluations are compared with which, and which are kept."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from buildbot.test.reactor import TestReactorMixin
from buildbot.test.steps import TestBuildStepMixin
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix._native import Run
from buildbot_nix.steps.eval import EvaluateFlake

from .conftest import write_plan

START = {
    "type": "start",
    "version": 1,
    "engine": "nix",
    "engineVersion": "2.26.3",
    "attribute": "checks",
    "flakeDir": ".",
    "systems": ["x86_64-linux"],
}


def evaluated(names: str) -> Run:
    """A run that has evaluated attributes of these names; none is a derivation."""
    failed = [
        {"type": "failed", "attr": name, "attrPath": [name], "error": "error: no"}
        for name in names.split()
    ]
    done = {"type": "done", "jobs": 0, "failed": len(failed)}
    run = Run()
    for line in [START, *failed, done]:
        run.feed(json.dumps(line).encode() + b"\n")
    run.end_of_evaluation(0)
    return run


class TestLost(TestBuildStepMixin, TestReactorMixin, unittest.TestCase):
    @defer.inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.plan = write_plan(Path(folder.name))
        yield self.setup_test_build_step(want_db=True)
        self.builds = 0

    @defer.inlineCallbacks
    def lost(self, names: str, **properties: str) -> Generator[Any, Any, list[str]]:
        """What the next build says is gone, if it has evaluated ``names``."""
        [project] = self.plan.projects
        # Buildbot's fake is stricter about step names than Buildbot, and ours is the predecessor's.
        step = self.setup_step(EvaluateFlake(self.plan, project, name="eval"))
        self.builds += 1
        step.build.buildid = self.builds
        for name in ("branch", "merged_base_branch"):
            step.build.setProperty(name, properties.get(name), "test")
        logs: dict[str, str] = {}
        step.addCompleteLog = lambda name, text: defer.succeed(logs.update({name: text}))
        run = evaluated(names)
        step._driver = SimpleNamespace(run=run)
        yield step._look_for_lost()
        assert logs.get("No longer there", "").split() == run.lost
        return run.lost

    @defer.inlineCallbacks
    def test_a_branch_is_compared_with_itself(self) -> Generator[Any, Any, None]:
        assert (yield self.lost("a b", branch="main")) == []
        assert (yield self.lost("x", branch="topic")) == []
        assert (yield self.lost("b", branch="main")) == ["a"]
        assert (yield self.lost("b", branch="main")) == []
        assert (yield self.lost("", branch="topic")) == ["x"]

    @defer.inlineCallbacks
    def test_no_branch_is_the_default_branch(self) -> Generator[Any, Any, None]:
        yield self.lost("a b", branch="main")
        assert (yield self.lost("b")) == ["a"]

    @defer.inlineCallbacks
    def test_a_pull_request_is_compared_with_its_base(self) -> Generator[Any, Any, None]:
        yield self.lost("a b", branch="main")
        of_request = {"branch": "refs/pull/1/merge", "merged_base_branch": "main"}
        assert (yield self.lost("b new", **of_request)) == ["a"]
        # What it has is not the branch's.
        assert (yield self.lost("a b", branch="main")) == []

    @defer.inlineCallbacks
    def test_merge_queues_are_not_kept(self) -> Generator[Any, Any, None]:
        queue = "gh-readonly-queue/main/pr-1-abc"
        yield self.lost("a b", branch=queue)
        assert (yield self.lost("b", branch=queue)) == []
