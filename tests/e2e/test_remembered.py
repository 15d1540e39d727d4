"""Builds that failed are remembered, tried again if somebody asks, forgotten when they work."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from tests.instance import Instance
from tests.processes import processes_of
from tests.repository import SYSTEM, Repository, flake
from tests.rest import Build
from tests.summary import summary_rows, verdicts
from tests.waiting import wait_until

PROJECT = "unlucky"
#: Its builder fails or works as a signal says. It listens when there is a second process.
CHECKS = """
  good = ok "good";
  bad = drv "bad" ''
    trap 'exit 7' USR1
    trap ': > $out; exit' USR2
    (pause 600) &
    while true; do pause 1; done
  '' {};
  needs-bad = drv "needs-bad" "echo ${bad} > $out" {};
"""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    made = Instance("remembered")
    made.settings["cache_failed_builds"] = True
    try:
        made.start()
        made.start_worker()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def repository(instance: Instance) -> Repository:
    return instance.repository(PROJECT, flake(CHECKS))


@pytest.fixture(scope="module")
def first(instance: Instance, repository: Repository) -> Build:
    """An evaluation in which the builder fails."""
    end_builder(repository, signal.SIGUSR1)
    return instance.wait_for_build(PROJECT, repository.head())


def end_builder(repository: Repository, how: signal.Signals) -> None:
    mark = [f"salt={repository.salt}"]
    wait_until("the builder", lambda: len(processes_of(mark)) > 1)
    for pid in processes_of(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


def commit(instance: Instance, repository: Repository, message: str) -> Build:
    """Something else changes; returns the evaluation of that."""
    head = repository.commit({"README": message}, message=message)
    return instance.wait_for_build(PROJECT, head)


def test_a_failure_is_not_tried_again(
    instance: Instance, repository: Repository, first: Build
) -> None:
    failed = instance.children(first)["bad"]
    assert failed.result == "failure"
    second = commit(instance, repository, "second")
    assert second.result == "failure"
    assert "1 failed before" in second.texts(), second.texts()
    children = instance.children(second)
    assert set(children) == {"bad", "needs-bad"}, "good is there already"
    record = children["bad"]
    assert (record.builder, record.number) == (failed.builder, failed.number + 1)
    assert record.properties["first_failure_url"].endswith(failed.path)
    assert failed.path in record.log("Cached failure", "cached_failure_info")
    assert children["needs-bad"].properties["dependency.attr"] == f"{SYSTEM}.bad"
    row = summary_rows(second)[f"{SYSTEM}.bad"]
    assert row.url is not None and row.url.endswith(record.path)
    assert "and was not tried again" in row.reason
    assert failed.path in second.log("build flake", "summary")


def test_rebuilding_the_record_builds_and_amends_the_run(
    instance: Instance, repository: Repository, first: Build
) -> None:
    second = commit(instance, repository, "third")
    record = instance.children(second)["bad"]
    build_id = instance.rebuild(record.id)
    end_builder(repository, signal.SIGUSR2)
    again = instance.wait_for_end(build_id)
    assert again.result == "success", again.texts()
    # Now that it works, what needs it is built too.
    wait_until("the result", lambda: instance.build(second.id).result == "success")
    rebuilt = instance.build(second.id)
    assert "2 built, 1 already there" in rebuilt.texts(), rebuilt.texts()
    assert instance.children(second)["needs-bad"].result == "success"
    # Once: by the first of its own build and the other's.
    needing = instance.children(second)["needs-bad"]
    history = instance.rest.get(f"builders/{needing.builder_id}/builds")
    assert len([row for row in history if row["number"] >= needing.number]) == 1
    # And it is forgotten.
    third = commit(instance, repository, "fourth")
    assert third.result == "success", third.texts()


def test_who_has_it_tried_again(instance: Instance) -> None:
    project = "forgetful"
    bad, other = (f'{name} = drv "{name}" "exit 1" {{}};' for name in ("bad", "other"))
    repository = instance.repository(project, flake(bad + other))

    def verdict(build_id: int) -> dict[str, str]:
        return verdicts(instance.wait_for_end(build_id), SYSTEM)

    def pushed(branch: str) -> int:
        head = repository.commit({"README": branch}, branch=branch, message="Push")
        return instance.wait_for_start(project, head)

    first = instance.wait_for_start(project, repository.head())
    failed = dict.fromkeys(("bad", "other"), "failed")
    failed_before = dict.fromkeys(failed, "failed before")
    assert verdict(first) == failed
    assert verdict(pushed("main")) == failed_before
    # A merge queue must not refuse what was only unlucky; nor is the button pressed for nothing.
    assert verdict(pushed("gh-readonly-queue/main/pr-1-abc")) == failed
    assert verdict(instance.force(project)) == failed
    assert verdict(instance.rebuild(first)) == failed
    assert verdict(pushed("main")) == failed_before

    dropped = repository.commit(flake(bad), message="Drop the other")
    assert verdict(instance.wait_for_start(project, dropped)) == {"bad": "failed before"}
    assert remembered(instance, project) == ["bad", "other"]
    forgetting = instance.force(project, nix_forget_failures=True)
    assert verdict(forgetting) == {"bad": "failed"}
    assert remembered(instance, project) == ["bad"]


def remembered(instance: Instance, project: str) -> list[str]:
    """What `buildbot-nix failures` lists of a project."""
    done = instance.run("python3", "-m", "buildbot_nix", "failures", "list")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if project in line]
    return sorted(name for name in ("bad", "other") for line in lines if f".{name}" in line)
