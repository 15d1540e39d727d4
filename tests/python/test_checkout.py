"""The step that checks out: what it asks of the agent, and what it makes of the answer."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from buildbot.process.properties import Secret
from buildbot.process.remotetransfer import StringFileReader
from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from buildbot.secrets.secret import SecretDetails
from buildbot.test.reactor import TestReactorMixin
from buildbot.test.steps import (
    ExpectDownloadFile,
    ExpectRemoteRef,
    ExpectRmdir,
    ExpectShell,
    TestBuildStepMixin,
)
from twisted.internet import defer
from twisted.trial import unittest

from buildbot_nix._native import Plan, load_plan
from buildbot_nix.agent import TERM_SECONDS
from buildbot_nix.errors import BuildbotNixError, ForgeUnavailableError, StoppedError
from buildbot_nix.steps.checkout import CREDENTIALS, GRACE_SECONDS, Checkout

HEAD, MERGE, TREE, BASE = ("1" * 40, "2" * 40, "3" * 40, "4" * 40)
URL = "https://git.example/site"


def line(type_: str, **fields: object) -> str:
    return json.dumps({"type": type_, **fields}) + "\n"


DONE = line("checkout", revision=HEAD, commit=HEAD, tree=TREE, seconds=0.1)


class Secrets:
    """As much of Buildbot's service for secrets as is asked here."""

    PASSWORD = "pull_based.repositories.site.credentials_file:password"

    def get(self, name: str) -> Any:
        value = "hunter2" if name == self.PASSWORD else "git"
        return defer.succeed(SecretDetails("files", name, value))


def write_plan(folder: Path, **repository: object) -> Plan:
    """The plan of a master with one project, ``site``."""
    settings = {
        "url": "http://ci.example/",
        "build_systems": ["x86_64-linux"],
        "local_workers": 1,
        "pull_based": {
            "repositories": {"site": {"url": URL, "default_branch": "main", **repository}}
        },
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return load_plan(str(folder / "settings.json"))


class TestCheckout(TestBuildStepMixin, TestReactorMixin, unittest.TestCase):
    def setUp(self) -> Any:
        self.setup_test_reactor()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        return self.setup_test_build_step(want_db=True)

    def set_up(self, *expected: Any, properties: dict[str, str], **repository: object) -> Checkout:
        plan = write_plan(self.folder, **repository)
        [project] = plan.projects
        step = self.setup_step(Checkout(plan, project))
        for name, value in properties.items():
            self.build.setProperty(name, value, "test")
        self.build.workdir = "build"
        self.build.requests = [SimpleNamespace(id=1)]
        self.expect_commands(*expected)
        return step

    def agent(self, *what: str) -> ExpectShell:
        command = [
            *("buildbot-nix", "checkout", "--format", "json", "--replace", *what),
            *("--timeout", "3600", URL, "."),
        ]
        return ExpectShell(
            workdir="build",
            command=command,
            timeout=None,
            max_time=3600 + GRACE_SECONDS,
            sigterm_time=TERM_SECONDS,
            log_environ=False,
            interrupt_signal=None,
        )

    @defer.inlineCallbacks
    def test_a_push(self) -> Generator[Any, Any, None]:
        agent = self.agent("--branch=topic", f"--revision={HEAD}").stdout(DONE).exit(0)
        step = self.set_up(agent, properties={"branch": "topic", "revision": HEAD})
        assert step.name == "git"
        self.expect_outcome(SUCCESS, HEAD[:12])
        self.expect_property("got_revision", HEAD)
        self.expect_property("tested_tree", TREE)
        self.expect_no_property("merged_base")
        yield self.run_step()
        assert step.logs["stdio"].stdout == ""

    def test_a_pull_request(self) -> Any:
        agent = self.agent("--branch=topic", f"--revision={HEAD}", "--merge-into=next")
        merged = {"base": BASE, "baseBranch": "next"}
        said = line("checkout", revision=HEAD, commit=MERGE, tree=TREE, seconds=0.1, **merged)
        properties = {"branch": "topic", "head_sha": HEAD, "base_sha": MERGE, "base_branch": "next"}
        self.set_up(agent.stdout(said).exit(0), properties=properties)
        self.expect_outcome(SUCCESS, f"{HEAD[:12]} merged into next at {BASE[:12]}")
        self.expect_property("got_revision", HEAD)
        self.expect_property("tested_revision", MERGE)
        self.expect_property("merged_base", BASE)
        return self.run_step()

    def check(self, said: str, status: int, result: int, text: str) -> Any:
        agent = self.agent("--branch=main").stdout(said).exit(status)
        self.set_up(agent, properties={})
        self.expect_outcome(result, text)
        self.expect_no_property("got_revision")
        return self.run_step()

    def test_a_conflict(self) -> Any:
        text = "merge conflict: `a` cannot be merged into `main` because of `file`"
        return self.check(line("fatal", message=text), 1, FAILURE, text)

    def test_a_server_that_is_down(self) -> Any:
        return self.check(line("fatal", message="cannot fetch"), 3, FAILURE, "cannot fetch")

    def test_stopped(self) -> Any:
        return self.check(line("fatal", message="stopped"), 4, CANCELLED, "stopped")

    def test_an_agent_that_says_nothing(self) -> Any:
        text = (
            "`buildbot-nix checkout` ended with status 127 without a word: "
            "is it on the worker's `PATH`?"
        )
        return self.check("", 127, EXCEPTION, text)

    def test_a_forge_that_makes_no_credentials(self) -> Any:
        error = ForgeUnavailableError("cannot get a token")
        return self.check_without_secret(error, EXCEPTION, "cannot get a token")

    def test_a_master_that_stops_does_it_again(self) -> Any:
        return self.check_without_secret(StoppedError("stopped"), RETRY, "stopped")

    def check_without_secret(self, error: BuildbotNixError, result: int, text: str) -> Any:
        self.set_up(properties={}, credentials_file="./password")
        others = self.build.render

        def render(value: Any) -> Any:
            return defer.fail(error) if isinstance(value, Secret) else others(value)

        self.build.render = render
        self.expect_outcome(result, text)
        return self.run_step()

    def credentials(self, rc: int, *, interrupted: bool = False) -> list[Any]:
        folder = f"../{CREDENTIALS}"
        fatal = line("fatal", message="no")
        agent = self.agent("--branch=main", "--credentials", folder)
        agent = agent.stdout(DONE if rc == 0 else fatal).exit(rc)
        agent.interrupted = interrupted
        files = [
            ExpectDownloadFile(
                blocksize=32768,
                maxsize=None,
                mode=0o600,
                reader=ExpectRemoteRef(StringFileReader),
                workerdest=name,
                workdir=CREDENTIALS,
            ).exit(0)
            for name in ("https-password", "https-user")
        ]
        return [*files, agent, ExpectRmdir(dir=CREDENTIALS, log_environ=False).exit(0)]

    def with_credentials(self, rc: int, result: int, *, interrupted: bool = False) -> Any:
        expected = self.credentials(rc, interrupted=interrupted)
        step = self.set_up(*expected, properties={}, credentials_file="./password")
        self.master.namedServices["secrets"] = Secrets()
        self.expect_outcome(result)
        done = self.run_step()

        def check(_: Any) -> None:
            text = "".join(log.header + log.stdout for log in step.logs.values())
            assert "hunter2" not in text
            hide = self.build.properties.cleanupTextFromSecrets
            # The user's name may be a word of any line.
            assert hide("git: hunter2") == f"git: <{Secrets.PASSWORD}>"

        return done.addCallback(check)

    def test_credentials_are_files_and_go(self) -> Any:
        return self.with_credentials(0, SUCCESS)

    def test_credentials_go_after_a_stop(self) -> Any:
        self.interrupt_nth_remote_command(2)
        return self.with_credentials(4, CANCELLED, interrupted=True)

    def test_credentials_go_after_a_failure(self) -> Any:
        return self.with_credentials(1, FAILURE)
