"""Evaluations and builds that are ended before they are done."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from tests.instance import Instance
from tests.processes import assert_none_left, processes_of
from tests.repository import SYSTEM, Repository, flake
from tests.rest import RefusedError
from tests.summary import summary_rows, verdicts
from tests.waiting import wait_until

NEVER = 86_400


def long_checks(number: int) -> str:
    """So many checks whose builders run until somebody ends them."""
    lines = [
        f'long-{n} = drv "long-{n}" "echo started; pause 600; echo done > $out" {{}};'
        for n in range(1, number + 1)
    ]
    return "\n".join(lines)


def builders_of(repository: Repository) -> list[int]:
    """Processes that build the repository's derivations."""
    return list(processes_of([f"salt={repository.salt}"]))


def wait_for_builders(repository: Repository, number: int) -> list[int]:
    """Waits until so many builders run."""
    wait_until(f"{number} builders", lambda: len(builders_of(repository)) >= number)
    return builders_of(repository)


def test_stopping_an_evaluation_stops_its_builds(instance: Instance) -> None:
    checks = long_checks(4) + 'needs-long = drv "needs-long" "" { needs = long-1; };'
    repository = instance.repository("stopped", flake(checks), poll_interval=NEVER)
    build_id = instance.wait_for_start("stopped", repository.head())
    # One slot builds, the other one evaluated and waits.
    wait_for_builders(repository, 1)
    page = wait_until(
        "the list of what waits",
        lambda: instance.build(build_id).steps["build flake"].logs.get("waiting"),
    )
    assert f"<td>{SYSTEM}.needs-long</td><td>for {SYSTEM}.long-1</td>" in page, page

    instance.rest.control(f"builds/{build_id}", "stop", reason="enough")

    build = instance.wait_for_end(build_id)
    assert build.result == "cancelled", build.texts()
    assert set(instance.child_results(build).values()) == {"cancelled"}
    assert set(verdicts(build, SYSTEM).values()) == {"was cancelled"}
    assert "Nothing waits" in build.log("build flake", "waiting")
    requests = instance.requests("stopped/nix-build")
    assert all(request["complete"] for request in requests), requests
    assert_none_left([f"salt={repository.salt}"])


def test_stopping_while_it_evaluates(instance: Instance) -> None:
    endless = 'endless = ok "endless-${toString (slow 1000000)}"; long = drv "long" "pause 600" {};'
    repository = instance.repository("endless", flake(endless), poll_interval=NEVER)
    build_id = instance.wait_for_start("endless", repository.head())
    wait_until("an evaluator", instance.evaluators)

    instance.rest.control(f"builds/{build_id}", "stop", reason="enough")

    build = instance.wait_for_end(build_id)
    assert build.result == "cancelled", build.texts()
    assert build.steps["Evaluate flake"].result == "cancelled"
    wait_until("the end of the evaluators", lambda: not instance.evaluators())
    assert_none_left([f"salt={repository.salt}"])


def test_a_new_commit_supersedes_the_old(instance: Instance) -> None:
    checks = long_checks(2) + 'needs-long = drv "needs-long" "" { needs = long-1; };'
    repository = instance.repository("superseded", flake(checks))
    old = repository.head()
    wait_for_builders(repository, 1)

    new = repository.commit(flake('a = ok "a";'), message="Something better")

    superseded = instance.wait_for_build("superseded", old)
    assert superseded.result == "cancelled", superseded.texts()
    assert set(instance.child_results(superseded).values()) == {"cancelled"}
    assert set(verdicts(superseded, SYSTEM).values()) == {"was cancelled"}
    build = instance.wait_for_build("superseded", new)
    assert build.result == "success", build.texts()
    assert_none_left([f"salt={repository.salt}"])
    instance.poll_rarely("superseded")
    instance.reconfigure()


def test_other_branches_do_not_supersede(instance: Instance) -> None:
    slow = flake('slow = drv "slow" "pause 3; echo done > $out" {};')
    repository = instance.repository("side-by-side", slow)
    main = repository.head()
    wait_for_builders(repository, 1)
    release = repository.commit(flake('b = ok "b";'), branch="release-1", message="Release")
    for head in (main, release):
        build = instance.wait_for_build("side-by-side", head)
        assert build.result == "success", build.texts()
    instance.poll_rarely("side-by-side")
    instance.reconfigure()


def test_stopping_one_build_cancels_what_needs_it(instance: Instance) -> None:
    checks = long_checks(1) + 'needs-long = drv "needs" "" { needs = long-1; }; b = ok "b";'
    repository = instance.repository("stopped-child", flake(checks), poll_interval=NEVER)
    build_id = instance.wait_for_start("stopped-child", repository.head())
    wait_for_builders(repository, 1)
    child = wait_until("the build", lambda: instance.children(build_id).get("long-1"))

    instance.rest.control(f"builds/{child.id}", "stop", reason="not this one")

    build = instance.wait_for_end(build_id)
    assert build.result == "cancelled", build.texts()
    assert verdicts(build, SYSTEM) == {
        "long-1": "was cancelled",
        "needs-long": "was cancelled",
        "b": "was built",
    }
    assert_none_left([f"salt={repository.salt}"])


def test_one_job_that_waits_is_cancelled(instance: Instance) -> None:
    project = "cancelled-one"
    # It listens when there is a second process.
    checks = """
      long = drv "long" ''
        trap ': > $out; exit' USR1
        (pause 600) &
        while true; do pause 1; done
      '' {};
      needs-long = drv "needs-long" "echo done > $out" { needs = long; };
      unwanted = drv "unwanted" "echo done > $out" { needs = long; };
      needs-unwanted = drv "needs-unwanted" "echo done > $out" { needs = unwanted; };
    """
    repository = instance.repository(project, flake(checks), poll_interval=NEVER)
    build_id = instance.wait_for_start(project, repository.head())
    button = f"forceschedulers/{project}-cancel"

    def offered() -> list[str]:
        [fields] = instance.rest.get_one(button)["all_fields"]
        [jobs] = [field for field in fields["fields"] if field["name"] == "jobs"]
        return list(jobs["choices"])

    jobs = [f"1 {SYSTEM}.{name}" for name in ("needs-long", "needs-unwanted", "unwanted")]
    wait_until("what can be cancelled", lambda: sorted(offered()) == jobs, seen=offered)
    _, requests = instance.rest.control(
        button, "force", jobs=[f"1 {SYSTEM}.unwanted"], reason="too large"
    )
    # There Buildbot leads who has pressed it.
    [row] = instance.rest.get(f"buildrequests/{next(iter(requests.values()))}/builds")
    assert row["buildid"] == build_id
    assert offered() == [f"1 {SYSTEM}.needs-long"]
    with pytest.raises(RefusedError, match="waits any more"):
        instance.rest.control(button, "force", jobs=[f"1 {SYSTEM}.long", "2 no.such"])
    for pid in wait_for_builders(repository, 2):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)
    build = instance.wait_for_end(build_id)
    assert build.result == "cancelled", build.texts()
    assert verdicts(build, SYSTEM) == {
        "long": "was built",
        "needs-long": "was built",
        "unwanted": "was cancelled",
        "needs-unwanted": "was cancelled",
    }
    assert instance.child_results(build) == {"long": "success", "needs-long": "success"}
    assert summary_rows(build)[f"{SYSTEM}.unwanted"].reason.startswith("too large (by somebody")


def test_a_builder_that_somebody_kills(instance: Instance) -> None:
    """As the kernel does when memory is short: that may pass, and is tried again."""
    repository = instance.repository("killed", flake(long_checks(1)), poll_interval=NEVER)
    build_id = instance.wait_for_start("killed", repository.head())
    for pid in wait_for_builders(repository, 1):
        os.kill(pid, signal.SIGKILL)

    def log() -> str:
        return instance.children(build_id)["long-1"].log("Build flake attr", "stdio")

    wait_until("word of another attempt", lambda: "attempt 2 is in 1 s" in log())
    assert "SIGKILL (out of memory?)" in log()
    wait_for_builders(repository, 1)
    instance.rest.control(f"builds/{build_id}", "stop", reason="enough")
    build = instance.wait_for_end(build_id)
    assert build.result == "cancelled", build.texts()
    assert instance.child_results(build) == {"long-1": "cancelled"}
    assert_none_left([f"salt={repository.salt}"])
