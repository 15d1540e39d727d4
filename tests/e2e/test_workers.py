"""Workers that are not there, or not as they should be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import Instance
from tests.processes import TOOLS, assert_none_left
from tests.repository import Repository, flake
from tests.rest import Build
from tests.waiting import wait_until

PROJECT = "faults"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A master of its own, so that no other worker takes its builds."""
    made = Instance("workers")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def repository(instance: Instance) -> Repository:
    """A repository with one check."""
    return instance.repository(PROJECT, flake('a = ok "a";'))


def without(folder: Path, *names: str) -> list[Path]:
    """A PATH with everything that is on ours but the programs called ``names``."""
    folder.mkdir()
    for place in reversed([*TOOLS, *map(Path, os.environ["PATH"].split(os.pathsep))]):
        for program in place.iterdir() if place.is_dir() else ():
            link = folder / program.name
            link.unlink(missing_ok=True)
            if program.name not in names:
                link.symlink_to(program)
    return [folder]


def evaluate(instance: Instance, repository: Repository, check: str) -> Build:
    """What becomes of a commit with this check."""
    return instance.wait_for_build(PROJECT, repository.commit(flake(check)))


def ends(instance: Instance) -> list[bool]:
    """Which requests to evaluate have ended."""
    return [row["complete"] for row in instance.requests(f"{PROJECT}/nix-eval")]


def test_without_a_worker_builds_wait(instance: Instance, repository: Repository) -> None:
    request = wait_until(
        "a request for the evaluation",
        lambda: [row for row in instance.requests(f"{PROJECT}/nix-eval") if not row["claimed"]],
    )
    assert len(request) == 1
    assert not any(row["connected_to"] for row in instance.rest.get("workers"))

    newer = repository.commit(flake('b = ok "b";'))
    wait_until(
        "the newer commit to take its place",
        lambda: ends(instance) == [True, False],
        seen=lambda: ends(instance),
    )

    worker = instance.start_worker()
    build = instance.wait_for_build(PROJECT, newer)
    assert build.result == "success", build.texts()
    worker.stop()


def test_without_the_agent(instance: Instance, repository: Repository) -> None:
    tools = without(instance.folder / "without-agent", "buildbot-nix")
    worker = instance.start_worker(tools=tools, env={"PATH": str(tools[0])})
    build = evaluate(instance, repository, 'b = ok "b";')
    worker.stop()
    assert build.result in ("failure", "exception"), build.texts()
    assert "`buildbot-nix" in build.text
    assert "PATH" in build.text


def test_without_nix(instance: Instance, repository: Repository) -> None:
    tools = without(instance.folder / "without-nix", "nix", "nix-store", "nix-eval-jobs")
    worker = instance.start_worker(tools=tools, env={"PATH": str(tools[0])})
    build = evaluate(instance, repository, 'c = ok "c";')
    worker.stop()
    assert build.result in ("failure", "exception"), build.texts()
    assert "`nix`" in build.text
    assert "PATH" in build.log("build flake", "summary")


def test_flakes_need_not_be_enabled(instance: Instance, repository: Repository) -> None:
    worker = instance.start_worker(env={"NIX_CONFIG": "experimental-features ="})
    build = evaluate(instance, repository, 'd = ok "d";')
    worker.stop()
    assert build.result == "success", build.texts()
    assert instance.child_results(build) == {"d": "success"}


def test_a_lost_worker_is_made_up_for(instance: Instance, repository: Repository) -> None:
    """Buildbot starts what ran there once more."""
    worker = instance.start_worker()
    head = repository.commit(flake('e = drv "e" "echo started; pause 4; echo done > $out" {};'))
    build_id = instance.wait_for_start(PROJECT, head)
    wait_until("the attribute's build", lambda: instance.children(build_id))
    worker.kill()
    lost = instance.wait_for_end(build_id)
    assert lost.result == "retry", lost.texts()

    instance.start_worker()
    build = wait_until(
        "an evaluation in its place",
        lambda: [row for row in instance.evaluations(PROJECT) if row["number"] == lost.number + 1],
    )
    again = instance.wait_for_end(build[0]["buildid"])
    assert again.result == "success", again.texts()


@pytest.mark.parametrize("stage", ["evaluating", "building"])
def test_a_master_that_stops_takes_its_work_up_again(
    instance: Instance, repository: Repository, stage: str
) -> None:
    texts = {
        "evaluating": 'g = ok "g-${toString (slow 60)}";',
        "building": 'g = drv "g" "echo started; pause 4; echo done > $out" {};',
    }
    head = repository.commit(flake(texts[stage]))
    build_id = instance.wait_for_start(PROJECT, head)
    signs = {"evaluating": instance.evaluators, "building": lambda: instance.children(build_id)}
    wait_until(f"signs of {stage}", signs[stage])
    assert instance.master is not None

    instance.master.stop(20)
    wait_until("the end of the evaluators", lambda: not instance.evaluators())
    assert_none_left([f"salt={repository.salt}"])
    instance.start()

    stopped = instance.build(build_id)
    assert stopped.result == "retry", stopped.texts()
    build = wait_until(
        "an evaluation in its place",
        lambda: [row for row in instance.evaluations(PROJECT) if row["buildid"] > build_id],
    )
    again = instance.wait_for_end(build[0]["buildid"])
    assert again.result == "success", again.texts()
