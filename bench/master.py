"""What the lines of a large evaluation cost the master: the real driver, steps and feed, with a
scheduler that starts nothing."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from buildbot.process.buildstep import create_step_from_step_or_factory
from twisted.internet import defer

from buildbot_nix._native import Priority, load_plan
from buildbot_nix.machines import Machine
from buildbot_nix.steps.eval import EvaluateFlake
from buildbot_nix.steps.trigger import BuildFlake, RunDriver

#: Bytes that a worker sends at once at most.
PIECE = 64 << 10
Result = TypeVar("Result")


@dataclass
class Feeding:
    """What feeding a run cost."""

    lines: int
    #: Seconds of processor in all.
    cpu: float = 0
    #: Seconds of the longest call, by what was called.
    longest_calls: dict[str, float] = field(default_factory=dict)

    @property
    def longest(self) -> float:
        """Seconds of the longest call."""
        return max(self.longest_calls.values())

    def longest_text(self) -> str:
        """The longest call, and which it was."""
        name = max(self.longest_calls, key=self.longest_calls.__getitem__)
        return f"{1000 * self.longest:.1f} ms ({name})"

    def call(self, name: str, function: Callable[[], Result]) -> Result:
        """Calls and measures. Processor time: what else the machine does is no stall of ours."""
        begun = time.thread_time()
        try:
            return function()
        finally:
            took = time.thread_time() - begun
            self.cpu += took
            self.longest_calls[name] = max(took, self.longest_calls.get(name, 0))


def feed(output: bytes, lines: int) -> Feeding:
    """Feeds a run with ``lines`` job lines made from an agent's ``output``."""
    feeding = Feeding(lines)
    data = multiply(output, lines)
    with tempfile.TemporaryDirectory() as folder:
        plan = load_plan(settings(Path(folder)))
    project = plan.projects[0]
    evaluate = cast(Any, create_step_from_step_or_factory(EvaluateFlake(plan, project)))
    build_flake = cast(Any, create_step_from_step_or_factory(BuildFlake(plan, project)))
    build = cast(Any, build_stub())
    machine = Machine()
    machine.feed.set_slots(8)
    driver = RunDriver(cast(Any, builds_stub()), machine, project.name, Priority.Branch)
    driver.attach(build)
    evaluate._driver = driver
    evaluate.master = master_stub()
    build_flake.build = build
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE]
        feeding.call("piece of output", partial(driver.take_output, piece))
        # Buildbot asks for it once a second at most.
        feeding.call("state of the step", evaluate.getCurrentSummary)
    feeding.call("end", lambda: driver.evaluation_ended(0))
    assert driver.run.jobs == lines, driver.run.jobs
    feeding.call("state of the build", build_flake.getCurrentSummary)
    feeding.call("cancelling", lambda: driver.cancel("enough"))
    feeding.call("summary page", driver.run.html)
    return feeding


def multiply(output: bytes, lines: int) -> bytes:
    """The agent's output with other names and hashes, again and again."""
    rows = output.decode().splitlines(keepends=True)
    jobs = [row for row in rows if '"type":"job"' in row]
    before = [row for row in rows if '"type":"start"' in row]
    many: list[str] = []
    for number in count():
        digit = f"{number:02}"
        for row in jobs[: lines - len(many)]:
            # Digits are letters of a store path's hash, too.
            row = re.sub(r"(?<=/)[0-9a-z]{2}(?=[0-9a-z]{30}-)", digit, row)
            many.append(re.sub(r"(?<=[\".-]c)(?=[0-9]{5}\b)", digit, row))
        if len(many) == lines:
            break
    done = json.dumps({"type": "done", "jobs": lines, "failed": 0})
    return ("".join(before + many) + done + "\n").encode()


def settings(folder: Path) -> str:
    """A settings file with one project and one machine."""
    workers = [{"name": "farm", "pass": "bench", "cores": 8}]
    (folder / "workers.json").write_text(json.dumps(workers))
    repository = {"url": "https://git.example/site", "default_branch": "main"}
    config = {
        "url": "http://ci.example/",
        "build_systems": ["x86_64-linux"],
        "nix_workers_secret_file": "./workers.json",
        "pull_based": {"repositories": {"site": repository}},
    }
    path = folder / "settings.json"
    path.write_text(json.dumps(config))
    return str(path)


def build_stub() -> SimpleNamespace:
    """As much of a Buildbot build as a driver looks at."""
    properties = {"got_revision": "0" * 40, "nix_machine": "farm"}
    return SimpleNamespace(
        buildid=1, getProperty=properties.get, getAllSourceStamps=list, results=None
    )


def builds_stub() -> SimpleNamespace:
    """As much of the builds of an evaluation; they begin and never end."""
    return SimpleNamespace(run=lambda *_: defer.Deferred(), stop=lambda _: None)


def master_stub() -> SimpleNamespace:
    """As much of a Buildbot master."""
    return SimpleNamespace(config=SimpleNamespace(buildbotURL="http://ci.example/"))
