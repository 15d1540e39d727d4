"""Trees that were evaluated before."""

from __future__ import annotations

from tests.instance import Instance
from tests.repository import flake

STEP = "Evaluate flake"


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
