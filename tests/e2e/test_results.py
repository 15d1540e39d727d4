"""What happens with what was built: commands, uploads, files of outputs, what is gone; and what is
tried again instead."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance import GC_ROOTS, Instance
from tests.repository import SYSTEM, Repository, flake
from tests.rest import Build
from tests.waiting import wait_until

CHECKS = """
    good = ok "good";
    needs-good = drv "needs-good" "echo ${good} > $out" {};
    weak = drv "weak" "echo dying; exit 137" {};
    broken = ok "broken";
"""
PROJECT = "results"
TOKEN = "hush-hush-token"


def interpolate(text: str) -> dict[str, str]:
    return {"_type": "interpolate", "value": text}


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A master that does everything with results, and one cache that is dead."""
    made = Instance("results")
    note = 'readlink result-%(prop:attr)s > "$NOTES/%(prop:attr)s"; echo "$TOKEN" > "$NOTES/token"'
    made.settings |= {
        "build_retries": 2,
        "build_retry_delay": 1,
        "outputs_path": str(made.folder / "outputs"),
        "branches": {"releases": {"matchGlob": "release-*", "updateOutputs": True}},
        "post_build_steps": [
            {
                "name": "Note",
                "environment": {
                    "NOTES": str(made.folder / "notes"),
                    "TOKEN": interpolate("%(secret:chat-token)s"),
                },
                "command": interpolate(f'{note}; echo "the token is $TOKEN"'),
            },
            {
                "name": "Warn",
                "warn_only": True,
                "command": ["sh", "-c", interpolate("case %(prop:attr)s in *.good) exit 3;; esac")],
            },
            {
                "name": "Refuse",
                "command": [
                    "sh",
                    "-c",
                    interpolate("case %(prop:attr)s in *.broken) exit 1;; esac"),
                ],
            },
        ],
        "caches": {
            "live": {"type": "store", "url": f"file://{made.folder / 'cache'}"},
            "dead": {"type": "store", "url": "file:///proc/no/such/cache"},
        },
    }
    (made.folder / "notes").mkdir()
    try:
        made.prepare()
        (made.master_folder / "chat-token").write_text(TOKEN)
        made.start()
        made.start_worker()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def repository(instance: Instance) -> Repository:
    return instance.repository(PROJECT, flake(CHECKS))


@pytest.fixture(scope="module")
def evaluation(instance: Instance, repository: Repository) -> Build:
    return instance.wait_for_build(PROJECT, repository.head())


@pytest.fixture(scope="module")
def children(instance: Instance, evaluation: Build) -> dict[str, Build]:
    return instance.children(evaluation)


def test_what_only_warned_is_a_success_for_what_needs_it(children: dict[str, Build]) -> None:
    assert {name: child.result for name, child in children.items()} == {
        "good": "warnings",
        "needs-good": "success",
        "weak": "exception",
        "broken": "failure",
    }
    assert children["good"].text.endswith("Warn failed, which only warns")
    assert children["broken"].text == "built, but Refuse failed"
    assert list(children["good"].steps) == ["Build flake attr", "Note", "Warn", "Refuse"]


def test_commands_see_the_result_and_their_secrets(
    instance: Instance, children: dict[str, Build]
) -> None:
    good = children["good"]
    note = instance.folder / "notes" / f"{SYSTEM}.good"
    assert note.read_text().strip() == good.properties["out_path"]
    assert (instance.folder / "notes/token").read_text().strip() == TOKEN
    log = good.log("Note", "stdio")
    assert "the token is <chat-token>" in log
    assert TOKEN not in log
    assert TOKEN not in instance.twistd_log.read_text()


def test_what_its_machine_failed_was_tried_again(children: dict[str, Build]) -> None:
    weak = children["weak"]
    log = weak.log("Build flake attr", "stdio")
    assert log.count("dying") >= 3
    assert "This may pass: attempt 2 is in 1 s." in log
    assert "This may pass: attempt 3 is in 4 s." in log
    assert "attempt 4" not in log
    assert "SIGKILL" in weak.text


def test_the_page_of_a_build_tells_what_was_done(children: dict[str, Build]) -> None:
    needing = children["needs-good"]
    assert needing.text.startswith("1 built in "), needing.text
    assert needing.properties["output.out"] in needing.log("Build flake attr", "stdio")


def narinfos(instance: Instance) -> set[str]:
    return {path.stem for path in (instance.folder / "cache").glob("*.narinfo")}


def hash_of(path: str) -> str:
    return Path(path).name.split("-")[0]


def test_results_are_uploaded_and_a_dead_cache_only_warns(
    instance: Instance, evaluation: Build, children: dict[str, Build]
) -> None:
    uploaded = evaluation.steps["Upload results"]
    assert uploaded.result == "warnings"
    assert "dead: " in uploaded.text and "live" not in uploaded.text
    assert {hash_of(children[name].properties["out_path"]) for name in ("good", "needs-good")} <= (
        narinfos(instance)
    )
    queue = GC_ROOTS / instance.gcroots_user / ".buildbot-nix-uploads"
    assert list((queue / "live").iterdir()) == []
    # Every path that was built: also the one that a command has refused.
    assert len(list((queue / "dead").iterdir())) == 3
    uploader = instance.builder_id("uploads/worker")
    rows = instance.rest.get(f"builders/{uploader}/builds", order="-number")
    assert rows[-1]["results"] == 2
    # It is the attributes that fail this evaluation.
    assert evaluation.result == "failure"


def outputs(instance: Instance, branch: str) -> dict[str, str]:
    folder = instance.folder / "outputs/unknown/results" / branch
    files = [path for path in folder.glob("*") if not path.name.startswith("^")]
    return {path.name: path.read_text() for path in files}


def test_files_say_what_was_built(instance: Instance, children: dict[str, Build]) -> None:
    built = {
        f"{SYSTEM}.{name}": children[name].properties["out_path"] for name in ("good", "needs-good")
    }
    assert outputs(instance, "main").items() >= built.items()
    assert f"{SYSTEM}.weak" not in outputs(instance, "main")


def test_a_commit_of_no_branch_is_given_to_nobody(
    instance: Instance, repository: Repository, evaluation: Build
) -> None:
    before = narinfos(instance)
    repository.commit(flake('private = ok "private";'), branch="topic")
    topic = instance.wait_for_end(instance.force(PROJECT, branch="topic"))
    assert topic.result == "success", topic.texts()
    child = instance.children(topic)["private"]
    assert list(child.steps) == ["Build flake attr"]
    assert topic.steps["Upload results"].result == "skipped"
    assert narinfos(instance) == before
    assert outputs(instance, "topic") == {}


def test_results_of_a_branch_go_with_it(
    instance: Instance, repository: Repository, evaluation: Build
) -> None:
    head = repository.commit(flake('kept = ok "kept";'), branch="release-1")
    instance.wait_for_build(PROJECT, head)
    roots = GC_ROOTS / instance.gcroots_user / PROJECT / "^release-1"
    assert (roots / f"{SYSTEM}.kept").is_symlink()
    assert set(outputs(instance, "release-1")) == {f"{SYSTEM}.kept"}

    repository.git("push", "--quiet", "origin", "--delete", "release-1")
    head = repository.commit(flake('other = ok "other";'))
    instance.wait_for_build(PROJECT, head)
    # Unless the poll came in between, the run knew already.
    wait_until("the end of its roots", lambda: not roots.exists() or _again(instance))
    assert outputs(instance, "release-1") == {}
    assert set(outputs(instance, "main")) == {f"{SYSTEM}.other"}


def _again(instance: Instance) -> bool:
    instance.wait_for_end(instance.force(PROJECT))
    return False


def test_a_rebuild_runs_the_commands_too(instance: Instance, children: dict[str, Build]) -> None:
    again = instance.wait_for_end(instance.rebuild(children["broken"].id))
    assert again.result == "failure", again.texts()
    assert again.steps["Build flake attr"].result == "success"
    assert again.steps["Refuse"].result == "failure"


def test_what_waits_survives_the_master(instance: Instance, children: dict[str, Build]) -> None:
    second = instance.folder / "second-cache"
    instance.settings["caches"]["dead"]["url"] = f"file://{second}"
    assert instance.master is not None
    instance.master.send(signal.SIGKILL)
    instance.master.stop()
    instance.start()
    good = hash_of(children["good"].properties["out_path"])
    wait_until("the uploads", (second / f"{good}.narinfo").exists, 90)
    queue = GC_ROOTS / instance.gcroots_user / ".buildbot-nix-uploads/dead"
    wait_until("the end of the queue", lambda: list(queue.iterdir()) == [])
