"""What is kept from the garbage collector: derivations as long as a run lasts, and results."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import GC_ROOTS, Instance
from tests.processes import run
from tests.repository import SYSTEM, Repository, flake
from tests.rest import Build
from tests.waiting import wait_until

#: One that is built at once, one that takes until somebody ends it.
CHECKS = """
    quick = ok "quick";
    long = drv "long" "echo started; pause 600" { needs = quick; };
"""
NEVER = 86_400


def links(instance: Instance) -> dict[str, set[str]]:
    """What is kept, by run."""
    runs = GC_ROOTS / instance.gcroots_user / ".buildbot-nix-runs"
    folders = [folder for folder in runs.glob("*") if folder.is_dir()]
    return {folder.name: {str(link.readlink()) for link in paths(folder)} for folder in folders}


def paths(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_symlink()]


def kept(instance: Instance, build_id: int) -> set[str]:
    """The derivations that are kept for an evaluation and its builds."""
    found = [paths for name, paths in links(instance).items() if name.endswith(f"-{build_id}")]
    kept = set().union(*found)
    # What was reused is kept by one file that refers to all.
    manifests = {path for path in kept if not path.endswith(".drv")}
    if manifests:
        argv = ["nix-store", "--query", "--references", *manifests]
        references = run(argv, cwd=instance.folder, env=instance.env)
        kept = kept - manifests | set(references.stdout.split())
    return kept


def wait_for_long_build(instance: Instance, build_id: int) -> Build:
    """Waits until the build that takes long was started."""
    return wait_until("the build", lambda: instance.children(build_id).get("long"))


def derivations(instance: Instance, build: Build | int) -> set[str]:
    """What an evaluation had built."""
    children = instance.children(build).values()
    return {child.properties["drv_path"] for child in children}


@pytest.mark.parametrize("end", ["success", "failure", "cancelled", "cancelled child"])
def test_nothing_is_kept_after_the_end(instance: Instance, end: str) -> None:
    scripts = {"success": "pause 3; echo done > $out", "failure": "pause 3; exit 1"}
    checks = CHECKS.replace("pause 600", scripts.get(end, "pause 600"))
    name = f"kept-{end.replace(' ', '-')}"
    repository = instance.repository(name, flake(checks), poll_interval=NEVER)
    build_id = instance.wait_for_start(name, repository.head())
    child = wait_for_long_build(instance, build_id)
    assert kept(instance, build_id) == derivations(instance, build_id)
    assert len(kept(instance, build_id)) == 2
    if end.startswith("cancelled"):
        target = child.id if end.endswith("child") else build_id
        instance.rest.control(f"builds/{target}", "stop", reason="enough")

    build = instance.wait_for_end(build_id)
    assert build.result == end.split()[0], build.texts()
    assert kept(instance, build_id) == set()
    assert not [run for run in links(instance) if run.endswith(f"-{build_id}")]


def test_nothing_is_kept_of_an_evaluation_that_is_stopped(instance: Instance) -> None:
    checks = 'first = ok "first"; zzz = ok "zzz-${toString (slow 1000000)}";'
    repository = instance.repository("kept-endless", flake(checks), poll_interval=NEVER)
    build_id = instance.wait_for_start("kept-endless", repository.head())
    wait_until("a derivation that is kept", lambda: kept(instance, build_id))
    instance.rest.control(f"builds/{build_id}", "stop", reason="enough")
    build = instance.wait_for_end(build_id)
    assert build.result == "cancelled", build.texts()
    assert kept(instance, build_id) == set()


@pytest.fixture
def crashing() -> Iterator[Instance]:
    """A master and a worker that may be killed."""
    made = Instance("crashing")
    try:
        made.start()
        made.start_worker()
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("victim", ["master", "worker"])
def test_what_a_crash_left_is_released_in_the_end(crashing: Instance, victim: str) -> None:
    # Long enough to be seen. Nobody ends a builder whose worker was killed.
    checks = CHECKS.replace("pause 600", "pause 15; echo done > $out")
    repository: Repository = crashing.repository("crash", flake(checks), poll_interval=NEVER)
    build_id = crashing.wait_for_start("crash", repository.head())
    wait_for_long_build(crashing, build_id)
    before = kept(crashing, build_id)
    assert before
    if victim == "master":
        assert crashing.master is not None
        crashing.master.send(signal.SIGKILL)
        crashing.master.stop()
        crashing.start()
    else:
        crashing.workers[0].kill()
        crashing.start_worker()
    again = wait_until(
        "an evaluation in its place",
        lambda: [row for row in crashing.evaluations("crash") if row["buildid"] > build_id],
    )
    new_id = int(again[0]["buildid"])
    wait_for_long_build(crashing, new_id)
    # The run goes on under its first number, and so does what is kept for it.
    assert kept(crashing, build_id) == before
    assert kept(crashing, new_id) == set()
    done = crashing.wait_for_end(new_id)
    assert done.result == "success", done.texts()
    assert links(crashing) == {}


def test_evaluations_leave_what_others_need(instance: Instance) -> None:
    one = instance.repository("kept-one", flake(CHECKS), poll_interval=NEVER)
    one_id = instance.wait_for_start("kept-one", one.head())
    wait_for_long_build(instance, one_id)
    before = kept(instance, one_id)
    other = instance.repository("kept-other", flake('a = ok "a";'), poll_interval=NEVER)
    other_id = instance.wait_for_start("kept-other", other.head())

    def result() -> str | None:
        step = instance.build(other_id).steps.get("Evaluate flake")
        return step.result if step else None

    wait_until("the other evaluation", result)
    assert kept(instance, one_id) == before
    instance.rest.control(f"builds/{one_id}", "stop", reason="enough")
    assert instance.wait_for_end(other_id).result == "success"
    instance.wait_for_end(one_id)
    assert kept(instance, other_id) == set()


def results(instance: Instance, project: str) -> dict[str, str]:
    """The results that are kept of a project's default branch, by name of the link."""
    folder = GC_ROOTS / instance.gcroots_user / project
    return {link.name: str(link.readlink()) for link in paths(folder)}


def test_results_are_kept_as_long_as_their_attribute_is_there(instance: Instance) -> None:
    project = "kept-results"
    checks = 'stays = ok "stays"; goes = ok "goes";'
    repository = instance.repository(project, flake(checks), poll_interval=NEVER)
    first = instance.wait_for_build(project, repository.head())
    outputs = {
        f"{SYSTEM}.{name}": child.properties["out_path"]
        for name, child in instance.children(first).items()
    }
    assert results(instance, project) == outputs
    assert len(outputs) == 2

    # What is in the store already needs no build.
    shutil.rmtree(GC_ROOTS / instance.gcroots_user / project)
    again = instance.wait_for_end(instance.force(project))
    assert again.result == "success", again.texts()
    assert instance.children(again) == {}
    assert results(instance, project) == outputs

    # A branch of no rule keeps nothing, and lets nothing go.
    repository.commit(flake('stays = ok "stays";'), branch="topic")
    topic = instance.wait_for_end(instance.force(project, branch="topic"))
    assert topic.result == "success", topic.texts()
    assert results(instance, project) == outputs

    repository.commit(flake('stays = ok "stays";'))
    last = instance.wait_for_end(instance.force(project))
    assert last.result == "success", last.texts()
    stays = f"{SYSTEM}.stays"
    assert results(instance, project) == {stays: outputs[stays]}
    assert kept(instance, last.id) == set()
