"""Workers that are told to restart, as a unit of systemd tells them, lose nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.instance import Instance
from tests.repository import Repository, flake
from tests.waiting import wait_until

PROJECT = "draining"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A master of its own, whose only worker machine ends."""
    made = Instance("draining")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def repository(instance: Instance) -> Repository:
    """A repository with one check, which takes a while."""
    check = 'slow = drv "slow" "echo started; pause 6; echo done > $out" {};'
    return instance.repository(PROJECT, flake(check))


def test_what_runs_is_waited_for(instance: Instance, repository: Repository) -> None:
    worker = instance.start_worker()
    build_id = instance.wait_for_start(PROJECT, repository.head())
    wait_until("the attribute's build", lambda: instance.children(build_id))
    os.kill(worker.process.pid, signal.SIGHUP)
    build = instance.wait_for_end(build_id)
    # Not a retry: the first try went well.
    assert (build.result, build.number) == ("success", 1), build.texts()
    assert instance.child_results(build) == {"slow": "success"}
    wait_until("the end of the workers", lambda: worker.process.exit_status is not None)
    assert worker.process.exit_status == 0, worker.process.tail()


def test_a_master_that_was_killed_knows_who_is_gone(instance: Instance) -> None:
    worker = instance.start_worker()
    instance.kill_master()
    worker.process.stop()
    instance.launch()
    instance.wait_until_it_answers()
    assert worker.connected() == []
