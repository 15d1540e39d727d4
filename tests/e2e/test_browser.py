"""What a person sees in a browser. Screenshots are kept in .build/artifacts."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from selenium import webdriver

from tests.e2e.page import Page
from tests.instance import Instance
from tests.repository import SYSTEM, Repository
from tests.rest import Build

SAMPLE = Path(__file__).parent.parent / "sample"
PROJECT = "shown/sample"


@pytest.fixture(scope="module")
def evaluation(instance: Instance) -> Build:
    """The evaluation of the demonstration's sample."""
    repository = Repository(instance.repositories_folder, PROJECT)
    files = {file.name: file.read_text() for file in SAMPLE.iterdir()}
    head = repository.commit({**files, "salt": f"{repository.salt}{uuid4().hex}"}, message="Begin")
    instance.settings["pull_based"]["repositories"][PROJECT] = {
        "url": repository.url,
        "default_branch": "main",
        "poll_interval": 86_400,
    }
    instance.reconfigure()
    return instance.wait_for_build(PROJECT, head)


@pytest.fixture
def page(browser: webdriver.Chrome, instance: Instance) -> Page:
    """The browser at the instance."""
    return Page(browser, instance)


def test_the_project(page: Page, instance: Instance, evaluation: Build) -> None:
    # Buildbot cannot look a name with a slash up.
    projects = {row["name"]: row["projectid"] for row in instance.rest.get("projects")}
    project = projects[PROJECT]
    page.open(f"#/projects/{project}")
    page.wait_for(PROJECT, f"{PROJECT}/nix-eval")
    page.keep("project")


def test_the_evaluation(page: Page, evaluation: Build) -> None:
    page.open(evaluation.path)
    page.wait_for("git", "Evaluate flake", "build flake", "1 failed to evaluate, 1 failed")
    # The summary, failures first.
    page.wait_for("nobody has written this check yet", f"it needs {SYSTEM}.multiplication")
    page.keep("evaluation")


def test_from_the_summary_to_an_attributes_log(page: Page, evaluation: Build) -> None:
    page.open(evaluation.path)
    page.click(f"{SYSTEM}.multiplication", tag="a")
    page.wait_for(f"checks.{SYSTEM}.multiplication", "Build flake attr", "6 * 7 is not 41")
    page.keep("attribute")


def test_an_attribute_without_a_build(page: Page, instance: Instance, evaluation: Build) -> None:
    children = instance.children(evaluation)
    page.open(children["unwritten"].path)
    page.wait_for("Nix evaluation", "failed to evaluate", "nobody has written this check yet")
    page.keep("unwritten")
    page.open(children["theorem"].path)
    page.wait_for("Dependency failed", f"`{SYSTEM}.multiplication` failed")


def test_one_attribute_after_the_other(page: Page, instance: Instance, evaluation: Build) -> None:
    child = instance.children(evaluation)["colours"]
    page.open(f"#/builders/{child.builder_id}")
    page.wait_for(f"git+file:{PROJECT}#checks.{SYSTEM}.colours", "1 built in")
    page.keep("history")
    page.open(child.path)
    page.wait_for("Build flake attr")
    page.click("Build flake attr")
    page.wait_for("colours> green red")
    page.keep("colours")
