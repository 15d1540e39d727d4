"""Checks of flakes: new, failing, in the store; beside Nix alone and bare Buildbot builds."""

from __future__ import annotations

import resource
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

from bench import flakes
from bench.flakes import Shape
from bench.instance import PATIENCE, TITLES, Alone, Bench, Measurement, Options
from bench.report import Aim, heading
from tests.repository import RUN, SYSTEM, Repository

#: Checks of a run that is compared with Nix.
COMPARED = 1000
#: At most so many times as long as one `nix-build` of them, and seconds of the master's CPU.
AIMS = {"stock": (1.7, 20), "patched": (1.3, 12)}
#: Seconds at most when nothing has changed, by number of checks.
UNCHANGED = {1000: 1.5, 4000: 5}
STALL = 0.05
#: Names given to the store at once: a command line is bounded.
PORTION = 5000


def new(options: Options) -> Iterator[str | Aim]:
    """N trivial checks, and a push that changes none of them."""
    for buildbot in options.buildbots:
        yield heading(TITLES)
        with Bench("builds", buildbot, options).running() as bench:
            took: dict[int, Measurement] = {}
            for size in options.sizes:
                took[size], again = yield from pushes(bench, "mixed", size)
                yield from of_size(took[size], again)
                if size == COMPARED:
                    alone = nix_alone(bench, "mixed", size)
                    yield alone.row(size)
                    yield from beside_nix(took[size], alone)
            for size in options.bare:
                yield bare_builds(bench, size).row()
            yield from growth(took)


def chain(options: Options) -> Iterator[str | Aim]:
    """As many checks that each need the one before."""
    for buildbot in options.buildbots:
        yield heading(TITLES)
        with Bench("chain", buildbot, options).running() as bench:
            run, _ = yield from pushes(bench, "chain", COMPARED)
            yield nix_alone(bench, "chain", COMPARED).row(COMPARED)
            yield from stalls(run)


def failing(options: Options) -> Iterator[str | Aim]:
    """A thousand checks that fail, and a push when that is remembered."""
    for buildbot in options.buildbots:
        yield heading(TITLES)
        bench = Bench("failing", buildbot, options)
        bench.instance.settings["cache_failed_builds"] = True
        with bench.running():
            text = flakes.failing(1000, SYSTEM, salt(bench, "failing", 1000))
            repository = bench.instance.repository("bench-failing")
            files = {"flake.nix": text}
            yield push(bench, repository, "failing", 1000, files, "failure").row()
            files = {"other": "file"}
            again = push(bench, repository, "failed before", 1000, files, "failure")
            yield again.row()
            yield from stalls(again)


def stored(options: Options) -> Iterator[str | Aim]:
    """Tens of thousands of attributes of which the store has all outputs."""
    for buildbot in options.buildbots:
        yield heading(TITLES)
        count = options.stored
        with Bench("stored", buildbot, options).running() as bench:
            fill_store(bench, count)
            repository = bench.instance.repository("bench-stored")
            files = {"flake.nix": flakes.stored(count, SYSTEM, salt(bench, "stored", count))}
            run = push(bench, repository, "in the store", count, files)
            yield run.row()
            yield push(bench, repository, "nothing changed", count, {"other": "file"}).row()
            about = f"{buildbot}: {count} attributes in the store"
            yield Aim(f"{about}, master CPU", run.cpu, 10, "s")
            yield Aim(f"{about}, database", run.database / 1e6, 20, "MB")
            yield Aim(f"{about}, builds", run.builds, 0)
            yield from stalls(run)


def of_size(run: Measurement, again: Measurement) -> Iterator[Aim]:
    """What is aimed at with so many checks."""
    about = f"{run.buildbot}: {run.checks} checks"
    if run.checks in UNCHANGED:
        most = UNCHANGED[run.checks]
        yield Aim(f"{about}, nothing changed", again.all_finished, most, "s")
    assert run.first_build is not None
    yield Aim(f"{about}, first build", run.first_build, 1, "s")
    yield from stalls(run)


def beside_nix(run: Measurement, alone: Alone) -> Iterator[Aim]:
    """What is aimed at in comparison with one `nix-build` of the same."""
    ratio, cpu = AIMS[run.buildbot]
    about = f"{run.buildbot}: {run.checks} checks"
    yield Aim(f"{about}, times one `nix-build`", run.all_finished / alone.seconds, ratio)
    yield Aim(f"{about}, master CPU", run.cpu, cpu, "s")


def stalls(run: Measurement) -> Iterator[Aim]:
    about = f"{run.buildbot}: {run.checks}, {run.what}"
    yield Aim(f"{about}, longest stall", 1000 * run.busy, 1000 * STALL, "ms")


def growth(took: Mapping[int, Measurement]) -> Iterator[Aim]:
    """How much more a larger run costs."""
    if not {1000, 4000} <= set(took):
        return
    small, large = took[1000], took[4000]
    about = f"{small.buildbot}: 4000 checks, times 1000"
    yield Aim(f"{about}: time", large.all_finished / small.all_finished, 4.2)
    yield Aim(f"{about}: master CPU", large.cpu / small.cpu, 4.2)
    yield Aim(f"{about}: statements", large.statements / small.statements, 4.2)
    yield Aim(f"{about}: database", large.database / small.database, 4.2)


def pushes(
    bench: Bench, shape: Shape, size: int
) -> Generator[str, None, tuple[Measurement, Measurement]]:
    """A push of new checks, and one that changes none of them; yields rows and returns what they
    cost."""
    repository = bench.instance.repository(f"bench-{shape}-{size}")
    text = flakes.flake(size, shape, [SYSTEM], salt(bench, shape, size))
    run = push(bench, repository, f"new, {shape}", size, {"flake.nix": text})
    yield run.row()
    again = push(bench, repository, "nothing changed", size, {"other": "file"})
    yield again.row()
    return run, again


def push(
    bench: Bench,
    repository: Repository,
    what: str,
    size: int,
    files: Mapping[str, str],
    result: str = "success",
) -> Measurement:
    """What a commit costs, until all that it leads to has ended."""
    start = bench.start()
    revision = repository.commit(files)
    bench.wait_for_end_on(f"{repository.name}/nix-eval", start)
    measurement = bench.measure(what, size, start)
    build = bench.instance.wait_for_build(repository.name, revision, PATIENCE)
    assert build.result == result, build.texts()
    return measurement


def bare_builds(bench: Bench, count: int) -> Measurement:
    """As many builds that do nothing, triggered by one step."""
    start = bench.start()
    control = {"builderid": bench.instance.builder_id("bare-parent"), "count": count}
    bench.instance.rest.control("forceschedulers/bare-force", "force", **control)
    bench.wait_for_end_on("bare-parent", start)
    return bench.measure("bare Buildbot builds", count, start)


def nix_alone(bench: Bench, shape: Shape, size: int) -> Alone:
    """What it takes Nix to evaluate and build such checks itself, in as many jobs as the worker
    has slots."""
    folder = bench.instance.folder / f"alone-{shape}-{size}"
    folder.mkdir()
    text = flakes.flake(size, shape, [SYSTEM], f"{salt(bench, shape, size)}-alone")
    (folder / "flake.nix").write_text(text)
    checks = f'builtins.attrValues (builtins.getFlake "path:{folder}").checks.{SYSTEM}'
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    built = bench.instance.run(
        *("nix-build", "--no-out-link", "--max-jobs", "2", "-E", checks),
        *("--option", "extra-experimental-features", "flakes", "--impure"),
        seconds=PATIENCE,
    )
    assert built.returncode == 0, built.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Alone(time.monotonic() - begun, cpu)


def fill_store(bench: Bench, count: int) -> None:
    """Makes the outputs of :func:`flakes.stored` valid."""
    folder: Path = bench.instance.folder / "outputs"
    folder.mkdir()
    files = [folder / flakes.stored_name(number) for number in range(count)]
    for file in files:
        file.write_text(flakes.STORED_TEXT)
    for begin in range(0, count, PORTION):
        portion = map(str, files[begin : begin + PORTION])
        added = bench.instance.run(
            *("nix-store", "--add-fixed", "sha256", *portion), seconds=PATIENCE
        )
        assert added.returncode == 0, added.stderr


def salt(bench: Bench, shape: str, size: int) -> str:
    return f"{RUN}-{bench.buildbot}-{shape}-{size}"
