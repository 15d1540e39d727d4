"""`make bench`: real masters, workers and Nix, against bare Buildbot builds in the same run."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bench.flakes import Shape, flake
from tests.instance import Instance
from tests.postgres import PostgresServer
from tests.repository import RUN, SYSTEM
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
#: Seconds after which a measurement is given up.
PATIENCE = 3600
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Measurement:
    """One run of N checks, or of N bare builds."""

    what: str
    checks: int
    #: Seconds from the master's knowing of the change (the request, for bare builds).
    first_build: float | None
    all_finished: float
    #: CPU seconds of the master.
    cpu: float
    builds: int
    statements: int
    #: Longest time in which the reactor did nothing else, seconds.
    stall: float

    def row(self) -> str:
        """A row of the table in the README."""
        first = "-" if self.first_build is None else f"{self.first_build:.2f}"
        per_build = f"{self.statements / self.builds:.0f}" if self.builds else "-"
        cells = [
            *(self.what, self.checks, first, f"{self.all_finished:.1f}", f"{self.cpu:.1f}"),
            *(f"{1000 * self.cpu / self.checks:.0f}", self.builds, per_build),
            f"{1000 * self.stall:.0f}",
        ]
        return "| " + " | ".join(map(str, cells)) + " |"


TITLES = [
    *("run", "N", "first build s", "all finished s", "master CPU s"),
    *("CPU ms per check", "builds", "statements per build", "longest stall ms"),
]


class Bench:
    """One instance with a probe in its master."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.probe = instance.folder / "probe.jsonl"
        instance.env["BENCH_PROBE"] = str(self.probe)
        instance.env["PYTHONPATH"] = str(ROOT)
        instance.settings["eval_worker_count"] = 2
        instance.prepare()
        config = instance.master_folder / "master.cfg"
        config.write_text(config.read_text() + "\nfrom bench.probe import install\ninstall(c)\n")

    def flakes(self, checks: int, shape: Shape) -> Iterator[Measurement]:
        """A push of new checks, then one that changes none of them."""
        name = f"bench-{shape}-{checks}"
        text = flake(checks, shape, [SYSTEM], f"{RUN}-{shape}-{checks}")
        repository = self.instance.repository(name)
        for what, files in (
            (f"new, {shape}", {"flake.nix": text}),
            (f"nothing changed, {shape}", {"other": "file"}),
        ):
            before = self._start()
            revision = repository.commit(files)
            build = self.instance.wait_for_build(name, revision, PATIENCE)
            assert build.result == "success", build.texts()
            yield self._measure(what, checks, before, name)

    def bare(self, count: int) -> Measurement:
        """As many builds that do nothing, triggered by one step."""
        before = self._start()
        control = {"builderid": self.instance.builder_id("bare-parent"), "count": count}
        self.instance.rest.control("forceschedulers/bare-force", "force", **control)

        def ended() -> bool:
            parent = self.instance.builder_id("bare-parent")
            [row] = self.instance.rest.get(f"builders/{parent}/builds", order="-number", limit=1)
            return bool(row["complete"])

        wait_until("the bare parent's start", lambda: self._lines(before), 60)
        time.sleep(1)
        wait_until("the bare builds", ended, PATIENCE)
        return self._measure("bare Buildbot builds", count, before, "bare")

    def _start(self) -> dict[str, float]:
        time.sleep(1)
        return {"time": time.time(), "cpu": self._cpu()}

    def _cpu(self) -> float:
        assert self.instance.master is not None
        stat = Path(f"/proc/{self.instance.master.pid}/stat").read_text()
        user, system = stat.rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / CLOCK_TICKS

    def _lines(self, before: dict[str, float]) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.probe.read_text().splitlines()]
        return [line for line in lines if line["time"] >= before["time"]]

    def _measure(
        self, what: str, checks: int, before: dict[str, float], project: str
    ) -> Measurement:
        time.sleep(1)
        lines = self._lines(before)
        counters = [line for line in lines if line["event"] == "counters"]
        started = [line["time"] for line in lines if line["event"] == "builds.new"]
        finished = [line["time"] for line in lines if line["event"] == "builds.finished"]
        changes = [line["time"] for line in lines if line["event"] == "changes.new"]
        seen = changes[0] if changes else before["time"]
        # The first build that is started is the evaluation, or the bare parent.
        children = started[1:]
        return Measurement(
            what=what,
            checks=checks,
            first_build=children[0] - seen if children else None,
            all_finished=finished[-1] - seen,
            cpu=self._cpu() - before["cpu"],
            builds=len(children),
            statements=counters[-1]["statements"] - counters[0]["statements"],
            stall=max(line["stall"] for line in counters),
        )


def main() -> None:
    """Runs what the command line asks for and prints a table."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[20, 200, 1000])
    parser.add_argument("--shape", choices=get_args(Shape), default="mixed")
    parser.add_argument("--postgres", action="store_true", help="instead of SQLite")
    parser.add_argument("--bare", type=int, nargs="*", help="sizes of the bare runs (as --sizes)")
    arguments = parser.parse_args()
    bare_sizes = arguments.sizes if arguments.bare is None else arguments.bare
    with contextlib.ExitStack() as stack:
        instance = Instance("bench")
        if arguments.postgres:
            server = stack.enter_context(PostgresServer())
            instance.settings["db_url"] = server.url
        bench = Bench(instance)
        stack.enter_context(instance)
        instance.start()
        instance.start_worker()
        print("| " + " | ".join(TITLES) + " |\n|" + " --- |" * len(TITLES), flush=True)
        for size in arguments.sizes:
            for measurement in bench.flakes(size, arguments.shape):
                print(measurement.row(), flush=True)
        for size in bare_sizes:
            print(bench.bare(size).row(), flush=True)


if __name__ == "__main__":
    main()
