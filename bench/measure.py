"""What one command costs: time, processor, memory, output."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

#: Seconds between two looks at the memory of all processes.
TICK = 0.05
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cost:
    """Of one command, or the median of several."""

    #: Seconds.
    wall: float
    #: Seconds of processor, own and of all processes that it has waited for.
    cpu: float
    #: MiB that all its processes occupy together. Shared pages count several times.
    memory: float
    #: Bytes on stdout.
    output: float
    #: Seconds until the first result was on stdout.
    first: float | None


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each number."""
    firsts = [cost.first for cost in costs if cost.first is not None]
    return Cost(
        wall=median(cost.wall for cost in costs),
        cpu=median(cost.cpu for cost in costs),
        memory=median(cost.memory for cost in costs),
        output=median(cost.output for cost in costs),
        first=median(firsts) if firsts else None,
    )


def measure(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, mark: bytes, allowed: Sequence[int]
) -> tuple[Cost, bytes]:
    """Runs ``argv`` to its end. ``mark`` is in the first piece of output that has a result."""
    error_log = cwd / "stderr"
    begun = time.monotonic()
    with open(error_log, "wb") as stderr:
        process = subprocess.Popen(
            argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=stderr,
        )  # fmt: skip
    watch = Watch(process.pid)
    watch.start()
    pieces: list[bytes] = []
    first = None
    assert process.stdout is not None
    while piece := os.read(process.stdout.fileno(), 1 << 20):
        pieces.append(piece)
        if first is None and mark in piece:
            first = time.monotonic() - begun
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begun
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = watch.end()
    if process.returncode not in allowed:
        words = error_log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{argv} ended with {process.returncode}:\n{words}")
    output = b"".join(pieces)
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, peak / (1 << 20), len(output), first), output


class Watch(threading.Thread):
    """Looks at the memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(TICK):
            self._peak = max(self._peak, memory(self._pid))

    def end(self) -> int:
        """The most that was seen, in bytes."""
        self._ended.set()
        self.join()
        return self._peak


def memory(pid: int) -> int:
    """Bytes in memory of ``pid`` and all below it; of a process that is gone, none."""
    total = 0
    processes = [pid]
    while processes:
        folder = Path("/proc") / str(processes.pop())
        try:
            total += int((folder / "statm").read_text().split()[1]) * PAGE
            for task in (folder / "task").iterdir():
                processes.extend(map(int, (task / "children").read_text().split()))
        except OSError:
            continue
    return total
