"""How a build is asked of the agent, and what its words come to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

import pytest
from buildbot.process.log import StreamLog

from buildbot_nix._native import BuildResult, OutcomeReader, Plan
from buildbot_nix.agent import TERM_SECONDS, AgentCommand
from buildbot_nix.attempts import GRACE_SECONDS, Buildable, agent_command
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.verdicts import Verdict

DRV = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv"
OUT = "/nix/store/zpi5a6arpq7wqff0v89ml0cfg3j53dla-a"


@dataclass
class FakeRemote:
    """As much of a command that has ended as matters."""

    rc: int | None
    output_error: BuildbotNixError | None = None


class FakeLog:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.headers: list[str] = []

    def getName(self) -> str:
        return "stdio"

    def addHeader(self, text: str) -> None:
        self.headers.append(text)


def verdict(said: str, status: int | None) -> Verdict:
    """The verdict on an agent that printed ``said`` and ended with ``status``."""
    reader = OutcomeReader()
    remote = FakeRemote(status)
    try:
        reader.feed(said.encode())
    except BuildbotNixError as error:
        remote.output_error = error
    return Verdict.of(reader, cast(AgentCommand, remote))


def outcome(result: str, **fields: object) -> str:
    line = {"type": "outcome", "result": result, "drvPath": DRV, "seconds": 1.5, **fields}
    return json.dumps(line) + "\n"


def test_success() -> None:
    properties = {"output.out": OUT}
    expected = Verdict(BuildResult.Succeeded, properties=properties, text="2 built in 1.5 s")
    assert verdict(outcome("succeeded", outputs={"out": OUT}, built=2), 0) == expected
    assert expected.outputs == {"out": OUT}


def test_what_may_pass_is_told() -> None:
    said = outcome("transient", message="no space left", mayPass=True)
    assert verdict(said, 3) == Verdict(BuildResult.Transient, "no space left", may_pass=True)


def test_whose_builder_failed_is_kept() -> None:
    said = outcome("failed", failedDrv=DRV, message="the builder of `a` failed")
    expected = Verdict(
        BuildResult.Failed, "the builder of `a` failed", DRV, properties={"failed_drv": DRV}
    )
    assert verdict(said, 1) == expected


@pytest.mark.parametrize(
    ("said", "status", "result", "message"),
    [
        (outcome("transient", message="no space left"), 3, BuildResult.Transient, "no space left"),
        (outcome("cancelled"), 4, BuildResult.Cancelled, None),
        (
            '{"type":"fatal","message":"there is no `nix` on PATH"}\n',
            3,
            BuildResult.Transient,
            "there is no `nix` on PATH",
        ),
        (
            "",
            1,
            BuildResult.Transient,
            "`buildbot-nix build` ended with status 1 without a word: is it on the worker's "
            "`PATH`?",
        ),
        (
            "Traceback\n",
            1,
            BuildResult.Transient,
            "line 1 from the agent is no machine line (expected value at line 1 column 1): "
            "`Traceback`",
        ),
    ],
)
def test_what_went_wrong(said: str, status: int, result: BuildResult, message: str | None) -> None:
    assert verdict(said, status) == Verdict(result, message)


def test_the_command(plan: Plan) -> None:
    [project] = plan.projects
    log: Any = FakeLog()
    build = Buildable(DRV, "x86_64-linux.a", {"branch": "main", "tested_on_branch": "yes"})
    remote = agent_command(plan, project, build, OutcomeReader(), cast(StreamLog, log))
    root = "/nix/var/nix/gcroots/per-user/buildbot-worker/site/x86_64-linux.a"
    assert remote.command == [
        *("buildbot-nix", "build", "--format", "json", "--gc-root", root),
        *("--timeout", "10800", "--max-silent", "1200", "--log-limit", "64", DRV),
    ]
    assert remote.args["maxTime"] == 10800 + GRACE_SECONDS
    assert remote.args["sigtermTime"] == TERM_SECONDS
    assert (remote.args["timeout"], remote.args["logEnviron"]) == (None, False)
    assert log.headers == ["$ " + " ".join(remote.command) + "\n"]
