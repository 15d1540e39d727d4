"""Trees that were evaluated before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.instance import Instance
from tests.processes import run
from tests.repository import flake
from tests.rest import Build

STEP = "Evaluate flake"


def nix_store(instance: Instance, *arguments: str) -> str:
    done = run(["nix-store", *arguments], cwd=instance.folder, env=instance.env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_reused(build: Build) -> bool:
    return "reused from build" in build.steps[STEP].text


def aware(checks: str) -> dict[str, str]:
    """A flake whose derivations may differ between commits with the same files."""
    files = flake(checks)
    return {**files, "flake.nix": files["flake.nix"].replace("outputs = _:", "outputs = { self }:")}


def test_the_same_tree_is_evaluated_once(instance: Instance) -> None:
    repository = instance.repository("reuse-unaware", flake('a = ok "a";'))
    first = instance.wait_for_build("reuse-unaware", repository.head())
    assert "reused" not in first.texts()
    again = instance.wait_for_build("reuse-unaware", repository.commit({}))
    assert f"reused from build {first.number}" in again.texts()
    assert again.result == "success"
    link = again.steps[STEP].urls[0]
    assert link["url"].endswith(f"/builds/{first.number}")

    forced = instance.force("reuse-unaware", branch="main", nix_force_evaluation=True)
    assert "reused" not in instance.wait_for_end(forced).texts()
    rebuilt = instance.force("reuse-unaware", branch="main")
    assert "reused from build" in instance.wait_for_end(rebuilt).texts()


def test_a_revert_is_not_evaluated(instance: Instance) -> None:
    repository = instance.repository("reuse-revert", flake('a = ok "a";'))
    first = instance.wait_for_build("reuse-revert", repository.head())
    changed = instance.wait_for_build("reuse-revert", repository.commit(flake('b = ok "b";')))
    assert not is_reused(changed), changed.texts()
    reverted = instance.wait_for_build("reuse-revert", repository.commit(flake('a = ok "a";')))
    assert is_reused(reverted), reverted.texts()
    assert f"reused from build {first.number}" in reverted.texts()
    # So much so that nothing is left to do.
    assert instance.children(reverted) == {}
    assert reverted.result == "success"


def test_a_flake_that_sees_its_commit_is_evaluated_for_each(instance: Instance) -> None:
    repository = instance.repository("reuse-aware", aware('a = ok "a-${self.rev}";'))
    derivations = []
    for number in (1, 2):
        commit = repository.head() if number == 1 else repository.commit({})
        build = instance.wait_for_build("reuse-aware", commit)
        assert not is_reused(build), build.texts()
        child = instance.children(build)["a"]
        assert f"-a-{commit}.drv" in child.properties["drv_path"]
        derivations.append(child.properties["drv_path"])
    assert len(set(derivations)) == 2
    # The same commit is the same.
    again = instance.wait_for_end(instance.rebuild(build.id))
    assert is_reused(again), again.texts()


def test_the_button_rebuild(instance: Instance) -> None:
    """An evaluation that is rebuilt is reused, and what failed is built again. A derivation that
    was collected is not in the way."""
    repository = instance.repository(
        "reuse-rebuild", flake('bad = drv "bad" "exit 1" {}; good = ok "good";')
    )
    first = instance.wait_for_build("reuse-rebuild", repository.head())
    assert instance.child_results(first) == {"bad": "failure", "good": "success"}
    rebuilt = instance.wait_for_end(instance.rebuild(first.id))
    assert is_reused(rebuilt), rebuilt.texts()
    assert rebuilt.result == "failure", rebuilt.texts()
    assert instance.child_results(rebuilt) == {"bad": "failure"}

    child = instance.children(first)["bad"]
    drv = child.properties["drv_path"]
    # What keeps the derivations of the evaluation together goes first.
    referrers = nix_store(instance, "--query", "--referrers", drv).split()
    nix_store(instance, "--delete", *referrers, drv)
    alone = instance.wait_for_end(instance.rebuild(child.id))
    assert alone.result == "exception", alone.texts()
    assert "was garbage-collected" in alone.text
    assert "restart the evaluation" in alone.text

    restarted = instance.wait_for_end(instance.rebuild(first.id))
    assert not is_reused(restarted), restarted.texts()
    assert instance.child_results(restarted) == {"bad": "failure"}


@pytest.fixture
def sandboxed() -> Iterator[Instance]:
    """A master that evaluates in a sandbox or not at all."""
    made = Instance("reuse-sandbox")
    made.settings["eval_sandbox"] = "required"
    try:
        made.start()
        made.start_worker()
        yield made
    finally:
        made.stop()


def test_sandboxed_evaluations_are_reused(sandboxed: Instance) -> None:
    repository = sandboxed.repository("sandboxed", flake('a = ok "a";'))
    first = sandboxed.wait_for_build("sandboxed", repository.head())
    assert first.result == "success", first.texts()
    assert not is_reused(first)
    again = sandboxed.wait_for_build("sandboxed", repository.commit({}))
    assert is_reused(again), again.texts()
    # Without a sandbox the same files may come to something else.
    sandboxed.settings["eval_sandbox"] = "off"
    sandboxed.reconfigure()
    outside = sandboxed.wait_for_build("sandboxed", repository.commit({}))
    assert outside.result == "success", outside.texts()
    assert not is_reused(outside), outside.texts()
