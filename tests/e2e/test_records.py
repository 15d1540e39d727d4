"""The history of an attribute: every build of it, and every time that there was none."""

from __future__ import annotations

import pytest

from tests.instance import Instance
from tests.repository import SYSTEM, flake
from tests.rest import Build

CHECKS = """
  good = ok "good";
  bad = drv "bad" "echo the reason; exit 1" {};
  needs-bad = drv "needs-bad" "echo ${bad} > $out" {};
  throws = throw "no such thing";
"""
PROJECT = "records"


@pytest.fixture(scope="module")
def evaluation(instance: Instance) -> Build:
    repository = instance.repository(PROJECT, flake(CHECKS))
    return instance.wait_for_build(PROJECT, repository.head())


def test_each_attribute_has_a_record(instance: Instance, evaluation: Build) -> None:
    children = instance.children(evaluation)
    assert {name: child.result for name, child in children.items()} == {
        "good": "success",
        "bad": "failure",
        "needs-bad": "failure",
        "throws": "failure",
    }
    for name, child in children.items():
        assert child.builder == f"git+file:{PROJECT}#checks.{SYSTEM}.{name}"
        assert child.properties["branch"] == "main"
        # The summary leads to it.
        summary = evaluation.log("build flake", "summary")
        assert name == "good" or child.path in summary, summary


def test_a_record_says_why_there_was_no_build(instance: Instance, evaluation: Build) -> None:
    children = instance.children(evaluation)
    needing = children["needs-bad"]
    assert needing.text == f"`{SYSTEM}.bad` failed"
    assert needing.properties["dependency.attr"] == f"{SYSTEM}.bad"
    assert children["bad"].path in needing.log("Dependency failed", "nix_error")
    thrower = children["throws"]
    assert thrower.text == "failed to evaluate"
    assert "no such thing" in thrower.log("Nix evaluation", "nix_error")


def test_what_buildbot_knows_of_a_build(instance: Instance, evaluation: Build) -> None:
    """Its pages and its API find records where they find builds."""
    rest = instance.rest
    for child in instance.children(evaluation).values():
        row = rest.get_one(f"builds/{child.id}")
        request = rest.get_one(f"buildrequests/{row['buildrequestid']}")
        assert (request["complete"], request["claimed"]) == (True, False)
        buildset = rest.get_one(f"buildsets/{request['buildsetid']}")
        assert buildset["parent_buildid"] == evaluation.id
        [stamp] = buildset["sourcestamps"]
        assert stamp["revision"] == evaluation.properties["got_revision"]
        [change] = rest.get(f"builds/{child.id}/changes")
        assert change["revision"] == stamp["revision"]
    assert not rest.get("buildrequests", complete=False)


def test_a_failed_build_is_built_again(instance: Instance, evaluation: Build) -> None:
    failed = instance.children(evaluation)["bad"]
    again = instance.wait_for_end(instance.rebuild(failed.id))
    assert (again.builder, again.number) == (failed.builder, failed.number + 1)
    assert again.result == "failure"
    assert "the reason" in again.log("Build flake attr")
    assert again.properties["drv_path"] == failed.properties["drv_path"]


def test_what_needs_a_failed_build_is_tried_all_the_same(
    instance: Instance, evaluation: Build
) -> None:
    needing = instance.children(evaluation)["needs-bad"]
    again = instance.wait_for_end(instance.rebuild(needing.id))
    assert (again.builder, again.result) == (needing.builder, "failure")
    assert again.properties["failed_drv"].endswith("-bad.drv")


def test_what_did_not_evaluate_is_evaluated_again(instance: Instance, evaluation: Build) -> None:
    thrower = instance.children(evaluation)["throws"]
    again = instance.wait_for_end(instance.rebuild(thrower.id))
    assert again.builder == evaluation.builder
    assert "reused" not in again.texts()
    assert instance.children(again)["throws"].number == thrower.number + 1
