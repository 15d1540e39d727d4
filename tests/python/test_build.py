"""The step that builds an attribute: what the agent says becomes Buildbot's result."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, SUCCESS
from buildbot.test.reactor import TestReactorMixin
from buildbot.test.steps import ExpectShell, TestBuildStepMixin
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix.agent import TERM_SECONDS
from buildbot_nix.steps.build import GRACE_SECONDS, BuildAttribute

from .conftest import write_plan

DRV = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv"
OUT = "/nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a"


def outcome(result: str, **fields: object) -> str:
    line = {"type": "outcome", "result": result, "drvPath": DRV, "seconds": 1.5, **fields}
    return json.dumps(line) + "\n"


class TestBuildAttribute(TestBuildStepMixin, TestReactorMixin, unittest.TestCase):
    def setUp(self) -> Any:
        self.setup_test_reactor()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.plan = write_plan(Path(folder.name))
        return self.setup_test_build_step()

    def set_up(self, agent: Any) -> BuildAttribute:
        """A step whose agent behaves like ``agent``, an expectation without command."""
        [project] = self.plan.projects
        # Buildbot's fake is stricter about step names than Buildbot, and ours is the predecessor's.
        step = self.setup_step(BuildAttribute(self.plan, project, name="build"))
        for name, value in {"drv_path": DRV, "attr": "x86_64-linux.a", "branch": "main"}.items():
            self.build.setProperty(name, value, "test")
        self.build.workdir = "build"
        self.expect_commands(agent)
        return step

    def agent(self) -> ExpectShell:
        root = "/nix/var/nix/gcroots/per-user/buildbot-worker/site/x86_64-linux.a"
        return ExpectShell(
            workdir="build",
            command=[
                *("buildbot-nix", "build", "--format", "json", "--gc-root", root),
                *("--timeout", "10800", "--max-silent", "1200", "--log-limit", "64", DRV),
            ],
            timeout=None,
            max_time=10800 + GRACE_SECONDS,
            sigterm_time=TERM_SECONDS,
            log_environ=False,
            interrupt_signal=None,
        )

    @defer.inlineCallbacks
    def test_success(self) -> Generator[Any, Any, None]:
        said = outcome("succeeded", outputs={"out": OUT})
        step = self.set_up(self.agent().stdout(said).stderr("a> building\n").exit(0))
        self.expect_outcome(SUCCESS)
        self.expect_property("output.out", OUT)
        yield self.run_step()
        # For people only: what the agent said for the master is nowhere.
        assert step.logs["stdio"].stdout == "a> building\n"
        assert step.logs["stdio"].stderr == ""

    def check(self, said: str, exit_status: int, result: int, text: str) -> Any:
        self.set_up(self.agent().stdout(said).exit(exit_status))
        self.expect_outcome(result, text)
        return self.run_step()

    def test_failure(self) -> Any:
        said = outcome("failed", message="the builder of `a` failed with exit code 1")
        text = "the builder of `a` failed with exit code 1"
        return self.check(said, 1, FAILURE, text)

    def test_the_machines_fault(self) -> Any:
        said = outcome("transient", message="no space left")
        return self.check(said, 3, EXCEPTION, "no space left")

    def test_stopped(self) -> Any:
        return self.check(outcome("cancelled"), 4, CANCELLED, "finished (cancelled)")

    def test_fatal(self) -> Any:
        said = '{"type":"fatal","message":"there is no `nix` on PATH"}\n'
        return self.check(said, 3, EXCEPTION, "there is no `nix` on PATH")

    def test_an_agent_that_says_nothing(self) -> Any:
        text = (
            "`buildbot-nix build` ended with status 1 without a word: is it on the worker's `PATH`?"
        )
        return self.check("", 1, EXCEPTION, text)

    def test_an_agent_that_babbles(self) -> Any:
        text = (
            "line 1 from the agent is no machine line (expected value at line 1 column 1): "
            "`Traceback`"
        )
        return self.check("Traceback\n", 1, EXCEPTION, text)
