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

from bench.flakes import Shape, chatty, flake
from tests.instance import Instance
from tests.postgres import PostgresServer
from tests.processes import BUILD
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
    #: ``stock`` or ``patched``.
    buildbot: str
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
            *(
                self.what,
                self.buildbot,
                self.checks,
                first,
                f"{self.all_finished:.1f}",
                f"{self.cpu:.1f}",
            ),
            *(f"{1000 * self.cpu / self.checks:.0f}", self.builds, per_build),
            f"{1000 * self.stall:.0f}",
        ]
        return "| " + " | ".join(map(str, cells)) + " |"


TITLES = [
    *("run", "Buildbot", "N", "first build s", "all finished s", "master CPU s"),
    *("CPU ms per check", "builds", "statements per build", "longest stall ms"),
]


class Bench:
    """One instance with a probe in its master."""

    def __init__(self, instance: Instance, buildbot: str, agent: Path | None) -> None:
        self.instance = instance
        self.buildbot = buildbot
        self.probe = instance.folder / "probe.jsonl"
        instance.env["BENCH_PROBE"] = str(self.probe)
        if agent is not None:
            folder = instance.folder / "agent"
            folder.mkdir()
            (folder / "buildbot-nix").symlink_to(agent.resolve(strict=True))
            instance.env["PATH"] = os.pathsep.join([str(folder), instance.env["PATH"]])
        instance.env["PYTHONPATH"] = os.pathsep.join([str(BUILD / buildbot), str(ROOT)])
        instance.settings["eval_worker_count"] = 2
        # Times count from the master's knowing of a change; each look runs Git.
        instance.settings["pull_based"]["poll_interval"] = 5
        instance.prepare()
        config = instance.master_folder / "master.cfg"
        config.write_text(config.read_text() + "\nfrom bench.probe import install\ninstall(c)\n")

    def flakes(self, checks: int, shape: Shape) -> Iterator[Measurement]:
        """A push of new checks, then one that changes none of them."""
        name = f"bench-{shape}-{checks}"
        text = flake(checks, shape, [SYSTEM], f"{RUN}-{self.buildbot}-{shape}-{checks}")
        repository = self.instance.repository(name)
        for what, files in (
            (f"new, {shape}", {"flake.nix": text}),
            (f"nothing changed, {shape}", {"other": "file"}),
        ):
            before = self._start()
            revision = repository.commit(files)
            self._wait_for_end_on(f"{name}/nix-eval", before)
            measurement = self._measure(what, checks, before)
            build = self.instance.wait_for_build(name, revision, PATIENCE)
            assert build.result == "success", build.texts()
            yield measurement

    def alone(self, checks: int, shape: Shape) -> float:
        """Seconds that Nix takes to evaluate and build as many checks itself, in as many jobs as
        the worker has slots."""
        text = flake(checks, shape, [SYSTEM], f"{RUN}-alone-{self.buildbot}-{shape}-{checks}")
        folder = self.instance.folder / f"alone-{shape}-{checks}"
        folder.mkdir()
        (folder / "flake.nix").write_text(text)
        checks_of = f'builtins.attrValues (builtins.getFlake "path:{folder}").checks.{SYSTEM}'
        begun = time.monotonic()
        built = self.instance.run(
            *("nix-build", "--no-out-link", "--max-jobs", "2", "-E", checks_of),
            *("--option", "extra-experimental-features", "flakes", "--impure"),
            seconds=PATIENCE,
        )
        assert built.returncode == 0, built.stderr
        return time.monotonic() - begun

    def logs(self, builds: int, lines: int) -> str:
        """How long logs take that are long, in comparison with ``nix build -L``."""
        salt = f"{RUN}-{self.buildbot}"
        folder = self.instance.folder / "talk-alone"
        folder.mkdir()
        text = chatty(builds, lines, SYSTEM, f"{salt}-alone")
        (folder / "flake.nix").write_text(text)
        checks = [f"path:{folder}#checks.{SYSTEM}.talk{number}" for number in range(builds)]
        begun = time.monotonic()
        built = self.instance.run(
            *("nix", "--extra-experimental-features", "nix-command flakes", "build", "-L"),
            *("--no-link", "--max-jobs", "2", *checks),
            seconds=PATIENCE,
        )
        alone = time.monotonic() - begun
        assert built.returncode == 0, built.stderr[-2000:]
        assert built.stderr.count("\n") >= builds * lines

        name = "bench-talk"
        repository = self.instance.repository(name)
        before = self._start()
        revision = repository.commit({"flake.nix": chatty(builds, lines, SYSTEM, salt)})
        self._wait_for_end_on(f"{name}/nix-eval", before)
        measured = self._measure("logs", builds, before)
        pid = self.instance.workers[0].process.pid
        worker = self._cpu(pid) - before["worker"]
        below = self._cpu(pid, with_children=True) - before["below"] - worker
        build = self.instance.wait_for_build(name, revision, PATIENCE)
        assert build.result == "success", build.texts()
        return (
            f"{builds} builds of {lines} lines take {measured.all_finished / alone:.2f} times one "
            f"`nix build -L` ({alone:.1f} s); CPU: master {measured.cpu:.1f} s, "
            f"worker {worker:.1f} s, what that ran {below:.1f} s; first build after "
            f"{measured.first_build:.1f} s, longest stall {1000 * measured.stall:.0f} ms"
        )

    def bare(self, count: int) -> Measurement:
        """As many builds that do nothing, triggered by one step."""
        before = self._start()
        control = {"builderid": self.instance.builder_id("bare-parent"), "count": count}
        self.instance.rest.control("forceschedulers/bare-force", "force", **control)

        self._wait_for_end_on("bare-parent", before)
        return self._measure("bare Buildbot builds", count, before)

    def _wait_for_end_on(self, builder: str, before: dict[str, float]) -> None:
        """Waits for the end of a build, asking nothing of the master that is measured."""
        builder_id = self.instance.builder_id(builder)

        def ended() -> bool:
            return any(
                line["event"] == "builds.finished" and line["builder"] == builder_id
                for line in self._lines(before)
            )

        wait_until(f"the end of a build of {builder}", ended, PATIENCE)

    def _start(self) -> dict[str, float]:
        time.sleep(1)
        assert self.instance.master is not None
        worker = self.instance.workers[0].process.pid
        cpu = self._cpu(self.instance.master.pid)
        below = self._cpu(worker, with_children=True)
        return {"time": time.time(), "cpu": cpu, "worker": self._cpu(worker), "below": below}

    def _cpu(self, pid: int, *, with_children: bool = False) -> float:
        """Seconds of processor; ``with_children`` that have ended."""
        stat = Path(f"/proc/{pid}/stat").read_text()
        times = stat.rsplit(")", 1)[1].split()[11 : 15 if with_children else 13]
        return sum(map(int, times)) / CLOCK_TICKS

    def _lines(self, before: dict[str, float]) -> list[dict[str, Any]]:
        text = self.probe.read_text()
        # The last line may be half written.
        whole = text[: text.rfind("\n") + 1].splitlines()
        lines = [json.loads(line) for line in whole]
        return [line for line in lines if line["time"] >= before["time"]]

    def _measure(self, what: str, checks: int, before: dict[str, float]) -> Measurement:
        time.sleep(1)
        assert self.instance.master is not None
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
            buildbot=self.buildbot,
            checks=checks,
            first_build=children[0] - seen if children else None,
            all_finished=finished[-1] - seen,
            cpu=self._cpu(self.instance.master.pid) - before["cpu"],
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
    parser.add_argument("--agent", type=Path, help="the command buildbot-nix (as on PATH)")
    parser.add_argument("--log-builds", type=int, default=20, help="0: logs are not measured")
    parser.add_argument("--log-lines", type=int, default=20_000)
    parser.add_argument("--patches", choices=["both", "all", "none"], default="both")
    arguments = parser.parse_args()
    print("| " + " | ".join(TITLES) + " |\n|" + " --- |" * len(TITLES), flush=True)
    for buildbot in {"both": ["stock", "patched"], "all": ["patched"], "none": ["stock"]}[
        arguments.patches
    ]:
        assert (BUILD / buildbot).is_dir(), f"no {BUILD / buildbot}: run `make setup`"
        for line in runs(arguments, buildbot):
            print(line, flush=True)


def runs(arguments: argparse.Namespace, buildbot: str) -> Iterator[str]:
    """Rows of all measurements on one instance, with one Buildbot; then how they compare with Nix
    alone."""
    bare_sizes = arguments.sizes if arguments.bare is None else arguments.bare
    with contextlib.ExitStack() as stack:
        instance = Instance(f"bench-{buildbot}")
        if arguments.postgres:
            server = stack.enter_context(PostgresServer())
            instance.settings["db_url"] = server.url
        bench = Bench(instance, buildbot, arguments.agent)
        stack.enter_context(instance)
        instance.start()
        instance.start_worker()
        ratios = []
        for size in arguments.sizes:
            alone = bench.alone(size, arguments.shape)
            new, again = bench.flakes(size, arguments.shape)
            yield new.row()
            yield again.row()
            ratio = new.all_finished / alone
            ratios.append(f"{size} checks take {ratio:.2f} times one `nix-build` ({alone:.1f} s)")
        for size in bare_sizes:
            yield bench.bare(size).row()
        if arguments.log_builds:
            ratios.append(bench.logs(arguments.log_builds, arguments.log_lines))
        yield f"\nBuildbot {buildbot}: {'; '.join(ratios)}.\n"


if __name__ == "__main__":
    main()
