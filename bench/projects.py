"""Many projects: starting with them, reading the configuration again, and the memory they take."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.instance import Bench, Options
from bench.report import Aim, heading, row
from tests.repository import git

TITLES = [
    *("Buildbot", "projects", "start s", "reconfigure s", "with one project more s"),
    *("CPU s of a reconfigure", "longest stall ms", "of it busy", "memory MiB"),
]


@dataclass(frozen=True)
class Cost:
    """What a configuration costs."""

    #: Seconds until the master answers, after what a first start does.
    start: float
    #: Seconds, as the master says.
    reconfigure: float
    reconfigure_with_one_more: float
    cpu: float
    stall: float
    busy: float
    #: Bytes of the master.
    memory: int


def projects(options: Options) -> Iterator[str | Aim]:
    """A master with one project, and with many."""
    for buildbot in options.buildbots:
        yield heading(TITLES)
        costs = {}
        for count in (1, options.projects):
            cost = costs[count] = measure(buildbot, count, options)
            yield row([
                *(buildbot, count, f"{cost.start:.1f}", f"{cost.reconfigure:.2f}"),
                *(f"{cost.reconfigure_with_one_more:.2f}", f"{cost.cpu:.2f}"),
                *(f"{1000 * cost.stall:.0f}", f"{1000 * cost.busy:.0f}", cost.memory >> 20),
            ])  # fmt: skip
        each = (costs[options.projects].memory - costs[1].memory) / (options.projects - 1)
        about = f"{buildbot}: {options.projects} projects"
        yield f"\n{about} take {each / 1000:.0f} KB of memory each."
        many = costs[options.projects]
        yield Aim(f"{about}, reconfigure", many.reconfigure, 3, "s")
        yield Aim(f"{about}, reconfigure with one more", many.reconfigure_with_one_more, 3, "s")


def measure(buildbot: str, count: int, options: Options) -> Cost:
    """With ``count`` repositories in which nothing was committed yet."""
    bench = Bench("projects", buildbot, options)
    instance = bench.instance
    for number in range(count):
        add_project(bench, number)
    with bench.running(workers=False):
        # The first time, all builders are new to the database.
        assert instance.master is not None
        instance.master.stop()
        begun = time.monotonic()
        instance.launch()
        instance.wait_until_it_answers()
        start = time.monotonic() - begun
        # First polls.
        time.sleep(10)
        memory = bench.memory
        same = reconfigure(bench)
        begun_at = bench.start()
        reconfigure_again = reconfigure(bench)
        spent = bench.measure("reconfigure", count, begun_at)
        add_project(bench, count)
        with_one_more = reconfigure(bench)
    return Cost(
        start=start,
        reconfigure=max(same, reconfigure_again),
        reconfigure_with_one_more=with_one_more,
        cpu=spent.cpu,
        stall=spent.stall,
        busy=spent.busy,
        memory=memory,
    )


def add_project(bench: Bench, number: int) -> None:
    name = f"project-{number:03}"
    bare = bench.instance.repositories_folder / f"{name}.git"
    git(bench.instance.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    bench.instance.settings["pull_based"]["repositories"][name] = {
        "url": f"file://{bare}",
        "default_branch": "main",
        "poll_interval": 86_400,
    }


def reconfigure(bench: Bench) -> float:
    """Seconds of a reconfiguration."""
    bench.instance.reconfigure()
    text = bench.instance.twistd_log.read_text(errors="replace")
    return float(re.findall(r"update complete \(took ([0-9.]+) seconds\)", text)[-1])
