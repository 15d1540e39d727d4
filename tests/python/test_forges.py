"""The handle `Forges`: what crosses the boundary, and what it never does to the process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildbot_nix import errors
from buildbot_nix._native import (
    CheckRun,
    ForgeKind,
    ForgeRepository,
    Forges,
    StatusState,
    load_plan,
)
from tests.python.gitea import Double, double, settings

__all__ = ["double", "settings"]


@pytest.fixture
def forges(settings: Path) -> Iterator[Forges]:
    forges = Forges(load_plan(str(settings)))
    yield forges
    forges.close()


def site(forges: Forges) -> ForgeRepository:
    (repository,) = forges.discover(ForgeKind.Gitea).with_known([])
    return repository


def test_repositories_are_found_and_stored(forges: Forges) -> None:
    assert forges.kinds == [ForgeKind.Gitea]
    repository = site(forges)
    assert repository.identity == "gitea:team/site"
    assert ForgeRepository.restore(repository.stored()) == repository
    assert "hunter" not in repository.stored()
    with pytest.raises(errors.ConfigError, match="no repository"):
        ForgeRepository.restore("{}")


def test_hooks_are_made_once(forges: Forges, double: Double) -> None:
    repository = site(forges)
    (outcome,) = forges.ensure_hooks([repository])
    assert (outcome.identity, outcome.changed, outcome.error) == ("gitea:team/site", True, None)
    ((_, hook),) = [seen for seen in double.seen if seen[0].startswith("POST")]
    assert hook["config"]["url"] == "https://ci.example.org/change_hook/gitea"
    assert b"hunter" not in forges.memory()


def test_errors_say_by_type_what_to_do(forges: Forges) -> None:
    repository = site(forges)

    def post(sha: str) -> None:
        forges.post_status(
            repository,
            sha,
            context="buildbot/nix-eval",
            state=StatusState.Warning,
            description="1 warning",
            target_url="https://ci.example.org/",
        )

    post("good")
    with pytest.raises(errors.ForgeRefusedError, match="no such commit"):
        post("bad")
    with pytest.raises(errors.ForgeNotFoundError):
        post("gone")
    with pytest.raises(errors.ForgeRateLimitedError) as raised:
        post("much")
    assert 890 < raised.value.retry_after <= 900
    with pytest.raises(errors.ConfigError, match="github"):
        forges.discover(ForgeKind.Github)
    run = CheckRun(name="x", status="success", details_url="", external_id="")
    with pytest.raises(errors.ForgeRefusedError, match="no check runs"):
        forges.create_check_run(repository, "good", run)
    with pytest.raises(errors.ConfigError, match="perfect"):
        CheckRun(name="x", status="perfect", details_url="", external_id="")


def test_after_closing_nothing_is_asked(forges: Forges, double: Double) -> None:
    site(forges)
    asked = len(double.seen)
    forges.close()
    with pytest.raises(errors.StoppedError):
        forges.discover(ForgeKind.Gitea)
    assert len(double.seen) == asked


def test_a_child_process_can_ask_too(settings: Path) -> None:
    """In a process of its own: this one has threads, which forking does not copy."""
    program = """
import os, sys
from buildbot_nix._native import ForgeKind, Forges, load_plan
forges = Forges(load_plan(sys.argv[1]))
threads = lambda: len(os.listdir("/proc/self/task"))
assert threads() == 1, "a thread before the first question"
def ask():
    assert len(forges.discover(ForgeKind.Gitea).with_known([])) == 1
ask()
child = os.fork()
if child == 0:
    ask()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
ask()
"""
    run = subprocess.run([sys.executable, "-c", program, str(settings)], timeout=60, env=os.environ)
    assert run.returncode == 0
