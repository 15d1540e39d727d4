"""One evaluation with everything that can become of an attribute, as a person sees it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.page import Page
from tests.instance import Instance
from tests.processes import processes_of
from tests.repository import OTHER_SYSTEM, SYSTEM, Repository, flake
from tests.summary import summary_rows
from tests.waiting import wait_until

PROJECT = "acme/site"
#: What is there before the evaluation: built, in a cache, and failed.
BEFORE = """
  already-there = drv "already-there" "echo done > $out" {};
  in-a-cache = drv "in-a-cache" "echo done > $out" {};
  failed-before = drv "failed-before" "echo no such host; exit 2" {};
"""
#: One ends when it is told to. It listens when there is a second process.
ALL = (
    BEFORE
    + """
  built = drv "built" "echo done > $out" {};
  fails = drv "fails" "echo the answer is 41; exit 1" {};
  needs-fails = drv "needs-fails" "echo done > $out" { needs = fails; };
  does-not-evaluate = throw "nobody has written this yet";
  long = drv "long" ''
    trap ': > $out; exit' USR1
    (pause 600) &
    while true; do pause 1; done
  '' {};
  needs-long = drv "needs-long" "echo done > $out" { needs = long; };
  unwanted = drv "unwanted" "echo done > $out" { needs = long; };
"""
)
VERDICTS = {
    "already-there": "was already there",
    "in-a-cache": "was built",
    "failed-before": "failed before",
    "built": "was built",
    "fails": "failed",
    "needs-fails": "was not built",
    "does-not-evaluate": "failed to evaluate",
    "long": "was built",
    "needs-long": "was built",
    "unwanted": "was cancelled",
}


@pytest.fixture
def instance() -> Iterator[Instance]:
    with Instance("outcomes") as made:
        made.settings["cache_failed_builds"] = True
        made.settings["title"] = "CI of Acme"
        cache = made.folder / "cache"
        cache.mkdir()
        made.start()
        made.start_worker(env={"NIX_CONFIG": f"extra-substituters = file://{cache}?trusted=1"})
        yield made


def files(checks: str) -> dict[str, str]:
    other = f'checks.{OTHER_SYSTEM} = {{ elsewhere = ok "elsewhere"; }};'
    return flake(outputs=f"checks.${{system}} = rec {{\n{checks}\n}};\n{other}")


def put_into_cache(instance: Instance, repository: Repository, name: str) -> None:
    """What was built is in the binary cache, and in the store no more."""
    build = instance.children(instance.wait_for_build(PROJECT, repository.head()))[name]
    path = build.properties["output.out"]
    store = f"file://{instance.folder}/cache"
    features = ("--extra-experimental-features", "nix-command")
    for argv in (
        ("nix", *features, "copy", "--to", store, path),
        ("nix-store", "--delete", "--ignore-liveness", path),
    ):
        done = instance.run(*argv)
        assert done.returncode == 0, done.stderr


def test_all_kinds_of_outcome(instance: Instance, browser: webdriver.Chrome) -> None:
    repository = instance.repository(PROJECT, files(BEFORE))
    put_into_cache(instance, repository, "in-a-cache")
    head = repository.commit(files(ALL), message="Everything else")
    build_id = instance.wait_for_start(PROJECT, head)
    page = Page(browser, instance)

    # While it lasts: what waits, and a form that cancels some of it.
    evaluation = instance.build(build_id)
    page.open(evaluation.path)
    page.wait_for(f"{SYSTEM}.unwanted", f"for {SYSTEM}.long")
    page.keep("waiting")
    page.click("Cancel some of them", tag="a")
    page.wait_for("Cancel jobs that wait")
    field = browser.find_element(By.CSS_SELECTOR, ".modal [role=combobox]")
    field.send_keys("unwanted")
    page.wait_for(f"{evaluation.number} {SYSTEM}.unwanted")
    field.send_keys(Keys.ENTER)
    page.keep("cancelling")
    page.click("Start build", tag="button")
    page.wait_for("Build steps", "1 cancelled")
    mark = [f"salt={repository.salt}"]
    wait_until("the builder", lambda: len(processes_of(mark)) > 1)
    for pid in processes_of(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGUSR1)

    ended = instance.wait_for_end(build_id)
    assert ended.result == "failure", ended.texts()
    rows = {name.removeprefix(f"{SYSTEM}."): row for name, row in summary_rows(ended).items()}
    assert {name: row.verdict for name, row in rows.items()} == VERDICTS, ended.texts()
    assert rows["built"].reason.startswith("1 built in")
    assert rows["in-a-cache"].reason.startswith("1 fetched in")
    error = "error: nobody has written this yet\nat flake.nix:"
    assert rows["does-not-evaluate"].reason.startswith(error)
    page.open(ended.path)
    page.wait_for("1 failed before", "it needs", "Not for this instance", OTHER_SYSTEM)
    for title in ("Built (", "Already there ("):
        page.click(title, tag="summary")
    page.keep("outcomes")
