"""A real master with a probe in it, and what a stretch of its life costs."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import row
from tests.instance import Instance
from tests.processes import BUILD
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
#: Seconds after which a measurement is given up.
PATIENCE = 7200
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    #: ``stock``, ``patched`` or both.
    buildbots: list[str]
    sizes: list[int]
    bare: list[int]
    projects: int
    stored: int
    log_builds: int
    log_lines: int
    #: The command ``buildbot-nix``, None: as on PATH.
    agent: Path | None


@dataclass(frozen=True)
class Start:
    """When a stretch began, and what had been spent until then."""

    time: float
    master: float
    worker: float
    #: Of what the worker ran.
    below: float
    database: int


TITLES = [
    *("run", "Buildbot", "N", "first build s", "all finished s", "CPU s of all"),
    *("master CPU s", "CPU ms per N", "builds", "statements per N", "database KB"),
    *("longest stall ms", "of it busy", "load"),
]


@dataclass(frozen=True)
class Alone:
    """What Nix takes to do the same without us."""

    seconds: float
    cpu: float

    def row(self, checks: int) -> str:
        """A row of the same table."""
        cells = ["`nix-build`", "-", checks, "-", f"{self.seconds:.1f}", f"{self.cpu:.1f}"]
        return row([*cells, *["-"] * 7, load()])


@dataclass(frozen=True)
class Measurement:
    """One run of N checks, or of N bare builds."""

    what: str
    #: ``stock`` or ``patched``.
    buildbot: str
    checks: int
    #: Seconds from the master's knowing of the change (the request, for bare builds).
    first_build: float | None
    all_finished: float
    #: CPU seconds of the master, the worker and what that ran.
    cpu: float
    worker: float
    below: float
    #: With records of what was not built.
    builds: int
    statements: int
    #: Bytes by which the database grew.
    database: int
    #: Longest time in which the reactor did nothing else, seconds.
    stall: float
    #: The same, as far as the master had the processor: the rest is the machine's.
    busy: float

    def row(self) -> str:
        """A row of the table in the README."""
        return row([
            *(self.what, self.buildbot, self.checks),
            "-" if self.first_build is None else f"{self.first_build:.2f}",
            *(f"{self.all_finished:.1f}", f"{self.cpu + self.worker + self.below:.1f}"),
            *(f"{self.cpu:.1f}", f"{1000 * self.cpu / self.checks:.1f}", self.builds),
            *(f"{self.statements / self.checks:.1f}", self.database // 1000),
            *(f"{1000 * self.stall:.0f}", f"{1000 * self.busy:.0f}"),
            load(),
        ])  # fmt: skip


class Bench:
    """One instance with a probe in its master."""

    def __init__(self, name: str, buildbot: str, options: Options) -> None:
        self.instance = instance = Instance(f"bench-{name}-{buildbot}")
        self.buildbot = buildbot
        self._probe = instance.folder / "probe.jsonl"
        instance.env["BENCH_PROBE"] = str(self._probe)
        if options.agent is not None:
            folder = instance.folder / "agent"
            folder.mkdir()
            (folder / "buildbot-nix").symlink_to(options.agent.resolve(strict=True))
            instance.env["PATH"] = os.pathsep.join([str(folder), instance.env["PATH"]])
        instance.env["PYTHONPATH"] = os.pathsep.join([str(BUILD / buildbot), str(ROOT)])
        instance.settings["eval_worker_count"] = 2
        # Times count from the master's knowing of a change; each look runs Git.
        instance.settings["pull_based"]["poll_interval"] = 5

    @contextlib.contextmanager
    def running(self, *, workers: bool = True) -> Iterator[Bench]:
        """Starts it, and ends it afterwards."""
        self.instance.prepare()
        config = self.instance.master_folder / "master.cfg"
        config.write_text(config.read_text() + "\nfrom bench.probe import install\ninstall(c)\n")
        with self.instance:
            self.instance.start()
            if workers:
                self.instance.start_worker()
            yield self

    def start(self) -> Start:
        """Begins a stretch that is measured."""
        time.sleep(1)
        workers = [worker.process.pid for worker in self.instance.workers]
        return Start(
            time=time.time(),
            master=cpu(self.master),
            worker=sum(map(cpu, workers)),
            below=sum(cpu(pid, of_children=True) for pid in workers),
            database=self.database_bytes(),
        )

    def measure(self, what: str, checks: int, start: Start) -> Measurement:
        """Ends it. N is ``checks``."""
        time.sleep(1)
        lines = self._lines(start)
        counters = [line for line in lines if line["event"] == "counters"]
        started = [line["time"] for line in lines if line["event"] == "builds.new"]
        finished = [line["time"] for line in lines if line["event"] == "builds.finished"]
        changes = [line["time"] for line in lines if line["event"] == "changes.new"]
        seen = changes[0] if changes else start.time
        # The first build that is started is the evaluation, or the bare parent.
        children = started[1:]
        workers = [worker.process.pid for worker in self.instance.workers]
        return Measurement(
            what=what,
            buildbot=self.buildbot,
            checks=checks,
            first_build=children[0] - seen if children else None,
            all_finished=finished[-1] - seen if finished else 0,
            cpu=cpu(self.master) - start.master,
            worker=sum(map(cpu, workers)) - start.worker,
            below=sum(cpu(pid, of_children=True) for pid in workers) - start.below,
            builds=len(children),
            statements=counters[-1]["statements"] - counters[0]["statements"],
            database=self.database_bytes() - start.database,
            stall=max(line["stall"] for line in counters),
            busy=max(line["busy"] for line in counters),
        )

    def wait_for_end_on(self, builder: str, start: Start) -> None:
        """Waits for the end of a build, asking nothing of the master that is measured."""
        builder_id = self.instance.builder_id(builder)

        def ended() -> bool:
            return any(
                line["event"] == "builds.finished" and line["builder"] == builder_id
                for line in self._lines(start)
            )

        wait_until(f"the end of a build of {builder}", ended, PATIENCE)

    @property
    def master(self) -> int:
        """The master's process."""
        assert self.instance.master is not None
        return self.instance.master.pid

    @property
    def memory(self) -> int:
        """Bytes that the master occupies."""
        return int(Path(f"/proc/{self.master}/statm").read_text().split()[1]) * PAGE

    def database_bytes(self) -> int:
        """Size of the database, if that is SQLite."""
        file = self.instance.master_folder / "state.sqlite"
        if not file.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            used = "select (page_count - freelist_count) * page_size from pragma_page_count(), "
            used += "pragma_freelist_count(), pragma_page_size()"
            return int(connection.execute(used).fetchone()[0])

    def _lines(self, start: Start) -> list[dict[str, Any]]:
        text = self._probe.read_text()
        # The last line may be half written.
        whole = text[: text.rfind("\n") + 1].splitlines()
        lines = [json.loads(line) for line in whole]
        return [line for line in lines if line["time"] >= start.time]


def load() -> str:
    """How much the machine has had to do in the last minute."""
    return f"{os.getloadavg()[0]:.0f}"


def cpu(pid: int, *, of_children: bool = False) -> float:
    """Seconds of processor of a process, or of those of its children that have ended."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    times = stat.rsplit(")", 1)[1].split()[11:15]
    return sum(map(int, times[2:] if of_children else times[:2])) / CLOCK_TICKS
