"""What crosses the boundary: errors keep their type and fields, handles their invariants."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from buildbot_nix import errors
from buildbot_nix._native import BuildResult, Finding, OutcomeReader, Plan, Run, load_plan

DRV = "/nix/store/g2w8y6hvvvrvbzkx6npjmq33fs4bzqrh-a.drv"


def test_wrong_settings_name_every_problem(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("urll: x\nport: many\n")
    with pytest.raises(errors.ConfigError) as raised:
        load_plan(str(settings))
    for word in ("urll", "port", "build_systems"):
        assert word in raised.value.problems


def test_a_missing_file_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(errors.MachineError, match=r"settings\.yaml"):
        load_plan(str(tmp_path / "settings.yaml"))


def test_a_bad_machine_line_is_named() -> None:
    with pytest.raises(errors.ProtocolError) as raised:
        Run().feed(b"\n\nTraceback\n")
    assert (raised.value.line_number, raised.value.excerpt) == (3, "Traceback")
    with pytest.raises(errors.ProtocolError):
        OutcomeReader().feed(b"[]\n")


def test_plan_refuses_what_is_no_derivation(plan: Plan) -> None:
    with pytest.raises(errors.ConfigError, match="no derivation"):
        plan.build_command("site", "/nix/store/" + "a" * 32 + "-x", "a", {})
    with pytest.raises(errors.ConfigError, match="no project"):
        plan.build_command("other", DRV, "a", {})


def test_only_branches_that_are_kept_get_a_gc_root(plan: Plan) -> None:
    def is_kept(**properties: str) -> bool:
        return "--gc-root" in plan.build_command("site", DRV, "a", properties)

    assert is_kept(branch="main", tested_on_branch="yes")
    assert not is_kept(branch="feature", tested_on_branch="yes")
    # A commit that somebody named, and what a pull request proposes.
    assert not is_kept(branch="main", tested_on_branch="no")
    assert not is_kept(branch="main")
    proposed = {"head_sha": "1" * 40, "base_sha": "2" * 40, "base_branch": "main"}
    assert not is_kept(branch="main", tested_on_branch="yes", **proposed)


def test_a_run_goes_from_lines_to_a_finding(plan: Plan) -> None:
    run = Run()
    run.feed(
        b'{"type":"start","version":1,"engine":"nix","engineVersion":"2.26","attribute":"checks",'
        b'"flakeDir":".","systems":[]}\n'
        b'{"type":"job","attr":"x86_64-linux.a","attrPath":["x86_64-linux","a"],"name":"a",'
        b'"system":"x86_64-linux","drvPath":"' + DRV.encode() + b'","outputs":{"out":null},'
        b'"cacheStatus":"notBuilt"}\n'
        b'{"type":"done","jobs":1,"failed":0}\n'
    )
    [job] = run.take_ready(5)
    properties = plan.build_properties("site", run.attribute or "", job)
    assert properties["virtual_builder_name"] == "git+https:site#checks.x86_64-linux.a"
    assert properties["status_name"] == "nix-build git+https:site#checks.x86_64-linux.a"
    run.end_of_evaluation(0)
    assert not run.is_finished
    run.finish(job.index, BuildResult.Succeeded, None, None)
    assert run.is_finished
    assert run.finding == Finding.Succeeded
    assert run.summary() == "1 built"


def test_secrets_do_not_show(plan: Plan) -> None:
    assert plan.worker_password("farm-000") == "hunter2"
    assert "hunter2" not in repr(plan)


def test_importing_starts_no_thread() -> None:
    """`buildbot start` forks after loading master.cfg; threads would not survive it."""
    code = "import buildbot_nix._native, os; print(len(os.listdir('/proc/self/task')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
