"""Attributes that are gone since the last evaluation of their branch."""

from __future__ import annotations

from tests.instance import Instance
from tests.repository import SYSTEM, flake

STEP = "Evaluate flake"
LOG = "No longer there"


def test_what_is_gone_is_pointed_out_once(instance: Instance) -> None:
    repository = instance.repository("lost", flake('a = ok "a"; b = ok "b"; c = ok "c";'))
    first = instance.wait_for_build("lost", repository.head())
    assert LOG.lower() not in first.texts().lower()

    second = instance.wait_for_build("lost", repository.commit(flake('b = ok "b";')))
    assert second.result == "success"
    assert "2 no longer there" in second.steps[STEP].text
    assert second.log(STEP, LOG).split() == [f"{SYSTEM}.a", f"{SYSTEM}.c"]
    summary = second.log("build flake", "summary")
    assert f"{LOG} since the last evaluation of main (2)" in summary

    again = instance.wait_for_build("lost", repository.commit({"README": "more"}))
    assert LOG.lower() not in again.texts().lower()
    failing = instance.wait_for_build("lost", repository.commit(flake('b = throw "no";')))
    assert LOG.lower() not in failing.texts().lower()
