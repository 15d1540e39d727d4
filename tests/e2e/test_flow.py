"""From a push to builds, as docs/getting-started.md promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import DATABASE_PASSWORD
from tests.instance import GC_ROOTS, Instance
from tests.processes import files_with, processes_of
from tests.repository import SYSTEM, Repository, flake
from tests.rest import Build
from tests.summary import verdicts
from tests.waiting import wait_until

CHECKS = """
  hello = drv "hello" "echo hello from the builder; echo hello > $out" {};
  other = ok "other";
  needs-hello = drv "needs-hello" "read -r text < ${hello}; echo $text > $out" {};
"""


def said(build: Build) -> str:
    """Our part of a build's text. Buildbot stores a step's text without waiting for it, so that
    it may come after the whole text, which has a beginning of Buildbot's, and replace it."""
    return build.text.removeprefix("build successful ")


@pytest.fixture(scope="module")
def repository(instance: Instance) -> Iterator[Repository]:
    """A repository with three checks, polled every second."""
    yield instance.repository("flow", flake(CHECKS))
    instance.poll_rarely("flow")
    instance.reconfigure()


@pytest.fixture(scope="module")
def first(instance: Instance, repository: Repository) -> Build:
    """The evaluation of its first commit."""
    return instance.wait_for_build("flow", repository.git("rev-list", "--max-parents=0", "main"))


def test_the_first_poll_builds_the_default_branch(instance: Instance, first: Build) -> None:
    assert first.result == "success", first.texts()
    assert first.builder == "flow/nix-eval"
    assert first.number == 1
    assert instance.child_results(first) == dict.fromkeys(
        ["hello", "other", "needs-hello"], "success"
    )


def test_steps_have_their_names(instance: Instance, first: Build) -> None:
    assert [name for name in first.steps if name != "worker_preparation"] == [
        *("git", "Evaluate flake", "build flake"),
    ]
    child = instance.children(first)["hello"]
    assert [name for name in child.steps if name != "worker_preparation"] == ["Build flake attr"]


def test_texts_sum_it_up(first: Build) -> None:
    assert first.steps["Evaluate flake"].text == "3 attributes"
    assert first.steps["build flake"].text == "3 built"
    assert said(first) == "3 built"


def test_properties_are_the_documented_ones(instance: Instance, first: Build) -> None:
    child = instance.children(first)["hello"]
    name = f"git+file:flow#checks.{SYSTEM}.hello"
    assert child.builder == name
    revision = first.properties["got_revision"]
    expected = {
        "attr": f"{SYSTEM}.hello",
        "branch": "main",
        "cacheStatus": "notBuilt",
        "default_branch": "main",
        "event": "push",
        "project": "flow",
        "revision": revision,
        "status_name": f"nix-build {name}",
        "system": SYSTEM,
        "virtual_builder_name": name,
        "virtual_builder_tags": "",
    }
    assert {key: child.properties.get(key) for key in expected} == expected
    assert child.properties["drv_path"].endswith("-hello.drv")
    assert child.properties["out_path"].endswith("-hello")
    assert child.sources["drv_path"] == "nix-eval-nix"


def test_the_builders_words_are_the_log(instance: Instance, first: Build) -> None:
    child = instance.children(first)["hello"]
    assert "hello> hello from the builder" in child.log("Build flake attr")


def test_machine_lines_are_in_no_log(instance: Instance, first: Build) -> None:
    for build in [first, *instance.children(first).values()]:
        for step in build.steps.values():
            for name, log in step.logs.items():
                assert '"type"' not in log, f"{build.builder}: {step.name}: {name}"


def test_results_are_kept_from_the_garbage_collector(instance: Instance, first: Build) -> None:
    child = instance.children(first)["hello"]
    root = GC_ROOTS / instance.gcroots_user / "flow" / f"{SYSTEM}.hello"
    assert str(root.readlink()) == child.properties["out_path"]


def test_secrets_are_in_their_files_only(instance: Instance, first: Build) -> None:
    expected = {
        instance.worker_password: {
            instance.folder / "workers.json",
            instance.workers[0].folder / "password",
        },
        DATABASE_PASSWORD: {instance.folder / "database-url"},
    }
    if instance.name == "sqlite":
        del expected[DATABASE_PASSWORD]
    for secret, files in expected.items():
        assert files_with(instance.folder, secret) == files
        assert not processes_of([secret])


def test_a_build_starts_after_what_it_needs(instance: Instance, first: Build) -> None:
    children = instance.children(first)
    hello = children["hello"].complete_at
    assert hello is not None
    assert hello <= children["needs-hello"].started_at


def test_a_second_push_builds_what_it_changed(
    instance: Instance, repository: Repository, first: Build
) -> None:
    changed = CHECKS.replace('ok "other"', 'drv "other" "echo changed > $out" {}')
    head = repository.commit(flake(changed))
    build = instance.wait_for_build("flow", head)
    assert build.result == "success", build.texts()
    assert instance.child_results(build) == {"other": "success"}
    assert verdicts(build, SYSTEM) == {
        "hello": "was already there",
        "other": "was built",
        "needs-hello": "was already there",
    }
    assert said(build) == "1 built, 2 already there"


def test_one_virtual_builder_has_an_attributes_history(
    instance: Instance, repository: Repository, first: Build
) -> None:
    repository.commit(flake(CHECKS + 'history = drv "history" "exit 1" {};'))
    failed = instance.wait_for_build("flow", repository.head())
    repository.commit(flake(CHECKS + 'history = drv "history" "echo 1 > $out" {};'))
    repaired = instance.wait_for_build("flow", repository.head())
    builds = [instance.children(build)["history"] for build in (failed, repaired)]
    assert [build.result for build in builds] == ["failure", "success"]
    assert builds[0].builder_id == builds[1].builder_id
    assert [build.number for build in builds] == [1, 2]


def test_branches_are_built_by_rule(instance: Instance, repository: Repository) -> None:
    content = flake(CHECKS)
    feature = repository.commit(content, branch="feature", message="No rule for this one")
    release = repository.commit(content, branch="release-1.0", message="Matches release-*")
    queue = repository.commit(content, branch="gh-readonly-queue/main/pr-1-0123", message="Queued")
    for branch, head in {"release-1.0": release, "gh-readonly-queue/main/pr-1-0123": queue}.items():
        build = instance.wait_for_build("flow", head)
        assert build.result == "success", build.texts()
        assert build.properties["branch"] == branch
    # The poller looks at all branches at once, so this one has been looked at as well.
    assert instance.find_evaluation("flow", feature) is None


def test_a_build_can_be_forced(instance: Instance, repository: Repository, first: Build) -> None:
    before = len(instance.evaluations("flow"))
    branch = "forced"
    head = repository.commit(flake(CHECKS), branch=branch, message="Nobody builds this by itself")
    build = instance.wait_for_end(instance.force("flow", branch=branch))
    assert build.result == "success", build.texts()
    assert build.properties["got_revision"] == head
    assert build.properties["scheduler"] == "flow-force"
    assert len(instance.evaluations("flow")) == before + 1


def test_a_deleted_branch_fails_clearly(instance: Instance, repository: Repository) -> None:
    repository.commit(flake(CHECKS), branch="gone", message="Deleted at once")
    repository.delete_branch("gone")
    build = instance.wait_for_end(instance.force("flow", branch="gone"))
    assert build.result == "failure", build.texts()
    assert build.steps["git"].result == "failure"
    assert "gone" in build.log("git")
    assert "Evaluate flake" not in build.steps
    again = instance.wait_for_end(instance.force("flow"))
    assert again.result == "success", again.texts()


def test_a_reset_branch_is_built(instance: Instance, repository: Repository, first: Build) -> None:
    ahead = repository.commit(flake(CHECKS + 'ahead = ok "ahead";'), message="Taken back soon")
    assert instance.wait_for_build("flow", ahead).result == "success"
    repository.git("push", "--quiet", "--force", "origin", f"{ahead}~1:refs/heads/main")
    behind = repository.git("rev-parse", f"{ahead}~1")
    newest = wait_until(
        "an evaluation of the commit that the branch was reset to",
        lambda: next(
            (
                row
                for row in instance.evaluations("flow")[:1]
                if row["properties"].get("revision", [None])[0] == behind
            ),
            None,
        ),
    )
    build = instance.wait_for_end(newest["buildid"])
    assert build.result == "success", build.texts()


def test_builds_start_while_the_evaluation_goes_on(instance: Instance) -> None:
    text = """
      a-quick = ok "a-quick";
      b-slow = ok "b-slow-${toString (slow 40)}";
    """
    repository = instance.repository("streamed", flake(text), poll_interval=86_400)
    build = instance.wait_for_build("streamed", repository.head())
    assert build.result == "success", build.texts()
    evaluated = build.steps["Evaluate flake"].complete_at
    assert evaluated is not None
    quick = instance.children(build)["a-quick"]
    assert quick.started_at < evaluated, "the build waited for the end of the evaluation"
