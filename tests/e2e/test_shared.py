"""Derivations that two projects want at the same time."""

from __future__ import annotations

import os
import signal
from uuid import uuid4

import pytest

from tests.instance import Instance
from tests.processes import processes_of
from tests.repository import SYSTEM, flake
from tests.summary import summary_rows
from tests.waiting import wait_until

NEVER = 86_400


@pytest.mark.parametrize(("end", "result"), [("exit 7", "failure"), (": > $out; exit", "success")])
def test_it_is_built_once(instance: Instance, end: str, result: str) -> None:
    mark = f"salt=shared-{uuid4().hex}"
    script = f"trap '{end}' USR1; while true; do pause 1; done"
    shared = f'shared = drv "shared" "{script}" {{ salt = "{mark.removeprefix("salt=")}"; }};'
    names = [f"{result}-first", f"{result}-second"]
    first = instance.repository(names[0], flake(shared), poll_interval=NEVER)
    first_id = instance.wait_for_start(names[0], first.head())
    builder = wait_until("the builder", lambda: list(processes_of([mark])))

    # Two slots: who waits for the other's build does not keep the second one.
    second = instance.repository(names[1], flake(shared + 'own = ok "own";'), poll_interval=NEVER)
    second_id = instance.wait_for_start(names[1], second.head())
    wait_until("its own", lambda: instance.child_results(second_id).get("own") == "success")
    assert instance.child_results(second_id) == {"own": "success"}
    assert list(processes_of([mark])) == builder
    for pid in builder:
        os.kill(pid, signal.SIGUSR1)

    builds = [instance.wait_for_end(build_id) for build_id in (first_id, second_id)]
    children = [instance.children(build)["shared"] for build in builds]
    for build in [*builds, *children]:
        assert build.result == result, build.texts()
    if result == "failure":
        row = summary_rows(builds[1])[f"{SYSTEM}.shared"]
        assert children[0].path in row.reason, row
        assert row.url is not None and row.url.endswith(children[1].path), row
        assert children[0].path in children[1].log("Build flake attr"), children[1].texts()
        assert "workername" not in children[1].properties
    else:
        assert children[1].properties["output.out"] == children[0].properties["output.out"]
