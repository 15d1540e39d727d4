"""Long logs, in comparison with `nix build -L`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.builds import push
from bench.flakes import chatty
from bench.instance import PATIENCE, Bench, Options
from bench.report import Aim
from tests.repository import RUN, SYSTEM


def logs(options: Options) -> Iterator[str | Aim]:
    """Builds that print as fast as they can."""
    builds, lines = options.log_builds, options.log_lines
    for buildbot in options.buildbots:
        with Bench("logs", buildbot, options).running() as bench:
            alone = nix_alone(bench, builds, lines)
            repository = bench.instance.repository("bench-talk")
            text = chatty(builds, lines, SYSTEM, f"{RUN}-{buildbot}")
            run = push(bench, repository, "logs", builds, {"flake.nix": text})
            ratio = run.all_finished / alone
            yield (
                f"\nBuildbot {buildbot}: {builds} builds of {lines} lines take {ratio:.2f} times "
                f"one `nix build -L` ({alone:.1f} s); CPU: master {run.cpu:.1f} s, worker "
                f"{run.worker:.1f} s, what that ran {run.below:.1f} s; first build after "
                f"{run.first_build:.1f} s, longest stall {1000 * run.stall:.0f} ms, of it busy "
                f"{1000 * run.busy:.0f} ms"
            )
            about = f"{buildbot}: logs of {builds} x {lines} lines"
            yield Aim(f"{about}, times `nix build -L`", ratio, 1.5)
            yield Aim(f"{about}, longest stall", 1000 * run.busy, 50, "ms")


def nix_alone(bench: Bench, builds: int, lines: int) -> float:
    """Seconds that `nix build -L` takes, into a pipe."""
    folder = bench.instance.folder / "talk-alone"
    folder.mkdir()
    text = chatty(builds, lines, SYSTEM, f"{RUN}-{bench.buildbot}-alone")
    (folder / "flake.nix").write_text(text)
    checks = [f"path:{folder}#checks.{SYSTEM}.talk{number}" for number in range(builds)]
    begun = time.monotonic()
    built = bench.instance.run(
        *("nix", "--extra-experimental-features", "nix-command flakes", "build", "-L"),
        *("--no-link", "--max-jobs", "2", *checks),
        seconds=PATIENCE,
    )
    alone = time.monotonic() - begun
    assert built.returncode == 0, built.stderr[-2000:]
    assert built.stderr.count("\n") >= builds * lines
    return alone
