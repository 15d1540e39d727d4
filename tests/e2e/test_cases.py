"""What people see of good, bad and hostile repositories; the table is in cases.py."""

from __future__ import annotations

import re

import pytest

from tests.e2e.cases import BUILD_RESULTS, CASES, NAMES, Case, names_flake
from tests.instance import Instance
from tests.repository import SYSTEM, Repository, flake
from tests.rest import Build
from tests.summary import summary_rows, verdicts

#: Repositories that get a good commit in the end.
REPAIRED = ["no-flake", "unparsable", "errors", "loud", "odd-text", "ends", "names"]
NEVER = 86_400


@pytest.fixture(scope="session")
def repositories(instance: Instance) -> dict[str, Repository]:
    """All cases at once, so that the machine has always something to do."""
    contents = {name: case.files for name, case in CASES.items()}
    return instance.repositories({**contents, "names": names_flake()}, poll_interval=NEVER)


@pytest.mark.parametrize("name", CASES)
def test_a_repository(instance: Instance, repositories: dict[str, Repository], name: str) -> None:
    case = CASES[name]
    build = instance.wait_for_build(name, repositories[name].head())
    shown = everything_shown(build)

    assert build.result == case.result, shown
    for pattern in case.shows:
        assert re.search(pattern, shown), f"{pattern!r} is not in what is shown:\n{shown}"
    if case.verdicts or case.result == "success":
        assert verdicts(build, SYSTEM) == case.verdicts, shown
    rows = summary_rows(build)
    for attribute, pattern in case.reasons.items():
        reason = rows[f"{SYSTEM}.{attribute}"].reason
        assert re.search(pattern, reason), f"{pattern!r} is not the reason of {attribute}: {reason}"
    assert instance.child_results(build) == expected_children(case)


def expected_children(case: Case) -> dict[str, str]:
    """Results of the builds that are to be there."""
    return {
        attribute: BUILD_RESULTS[verdict]
        for attribute, verdict in case.verdicts.items()
        if verdict in BUILD_RESULTS and attribute not in case.without_build
    }


def everything_shown(build: Build) -> str:
    """Texts that are seen without opening a log, and the summary."""
    texts = [build.text, *(f"{step.name}: {step.text}" for step in build.steps.values())]
    for step in build.steps.values():
        texts += [log for name, log in step.logs.items() if name != "stdio"]
    return "\n".join(texts)


def test_bad_news_comes_first(instance: Instance, repositories: dict[str, Repository]) -> None:
    build = instance.wait_for_build("dependants", repositories["dependants"].head())
    words = [row.verdict for row in summary_rows(build).values()]
    assert words == ["failed", "was not built", "was not built", "was built", "was built"]
    rows = summary_rows(build)
    child = instance.children(build)["a"]
    assert rows[f"{SYSTEM}.a"].url == f"{instance.url}{child.path}"


def test_a_failed_build_says_why(instance: Instance, repositories: dict[str, Repository]) -> None:
    build = instance.wait_for_build("ends", repositories["ends"].head())
    children = instance.children(build)
    assert "SIGKILL" in children["killed"].text
    assert "about to die" in children["killed"].log("Build flake attr")
    assert "hash mismatch" in children["wrong-hash"].log("Build flake attr")


def test_a_long_log_keeps_both_ends(
    instance: Instance, repositories: dict[str, Repository]
) -> None:
    build = instance.wait_for_build("loud", repositories["loud"].head())
    log = instance.children(build)["many"].log("Build flake attr")
    assert 3 << 20 < len(log) < 5 << 20
    assert "the very end" in log
    assert re.search(r"left out|omitted", log), "nothing says that a part is missing"


def test_logs_are_text(instance: Instance, repositories: dict[str, Repository]) -> None:
    build = instance.wait_for_build("odd-text", repositories["odd-text"].head())
    children = instance.children(build)
    bytes_log = children["bytes"].log("Build flake attr")
    assert re.search(r"bytes> bad .*bytes", bytes_log)
    assert "no newline at the end" in bytes_log
    assert not set(bytes_log) & set("\0\a\r"), "control characters reach the log"
    wide = children["wide"].log("Build flake attr")
    assert "behind the line" in wide
    assert len(max(wide.splitlines(), key=len)) < 1 << 20
    assert "two apples" in children["last"].log("Build flake attr")


def test_outputs_become_properties(instance: Instance, repositories: dict[str, Repository]) -> None:
    build = instance.wait_for_build("outputs", repositories["outputs"].head())
    children = instance.children(build)
    several = children["several"].properties
    assert several["out_path"] == several["output.out"]
    assert several["output.dev"].endswith("-several-dev")
    without = children["without-out"].properties
    assert "out_path" not in without
    assert without["output.lib"].endswith("-without-out-lib")


def test_any_name_can_be_built(instance: Instance, repositories: dict[str, Repository]) -> None:
    build = instance.wait_for_build("names", repositories["names"].head())
    rows = verdicts(build, SYSTEM)
    assert sorted(rows) == sorted(NAMES.values())
    assert build.result == "success", build.texts()
    children = instance.children(build)
    for shown in NAMES.values():
        assert children[shown].builder == f"git+file:names#checks.{SYSTEM}.{shown}"


def test_names_are_text_in_the_summary(
    instance: Instance, repositories: dict[str, Repository]
) -> None:
    build = instance.wait_for_build("names", repositories["names"].head())
    page = build.log("build flake", "summary")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_later_builds_work(instance: Instance, repositories: dict[str, Repository]) -> None:
    wait_for_all_cases(instance, repositories)
    for name in REPAIRED:
        instance.settings["pull_based"]["repositories"][name]["poll_interval"] = 1
    instance.reconfigure()
    heads = {}
    for name in REPAIRED:
        heads[name] = repositories[name].commit(flake(f'repaired = ok "repaired-{name}";'))
    try:
        for name, head in heads.items():
            build = instance.wait_for_build(name, head)
            assert build.result == "success", build.texts()
            assert instance.child_results(build) == {"repaired": "success"}
    finally:
        instance.poll_rarely(*REPAIRED)
        instance.reconfigure()


def wait_for_all_cases(instance: Instance, repositories: dict[str, Repository]) -> None:
    """So that what follows measures its own time only."""
    for name, repository in repositories.items():
        instance.wait_for_build(name, repository.head())
