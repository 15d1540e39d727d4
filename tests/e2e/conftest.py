"""One master for the whole suite and each database, and what is shown when a test fails."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.e2e.page import HEIGHT, WIDTH
from tests.e2e.world import World
from tests.instance import Instance
from tests.postgres import PostgresServer
from tests.processes import tail

#: A password that must not turn up anywhere.
DATABASE_PASSWORD = f"hush-{uuid4().hex}"
#: Seconds for one test.
TIMEOUT = 120


def pytest_configure(config: pytest.Config) -> None:
    # Whoever ends the suite from outside leaves no master behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT))
    # The masters of the whole suite poll as long as they live, so they come last.
    items.sort(key=masters_of_the_suite)


def masters_of_the_suite(item: pytest.Item) -> int:
    """More for a test whose master should start later."""
    fixtures = getattr(item, "fixturenames", ())
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return 2 * ("instance" in parameters) + ("world" in fixtures)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    report = yield
    if report.failed:
        for instance in Instance.running:
            report.sections.append(
                (f"end of the master's log of {instance.name}", tail(instance.twistd_log))
            )
            for worker in instance.workers:
                report.sections.append((f"end of the log of {worker.name}", tail(worker.log, 20)))
    return report


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A master that builds what is on a GitHub and on a Gitea."""
    made = World("forges")
    try:
        made.instance.start()
        made.instance.start_worker()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def instance(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """A master with one worker machine of two slots."""
    made = Instance(request.param)
    made.settings["branches"] = {"releases": {"matchGlob": "release-*"}}
    made.settings["build_log_limit"] = 4
    # What is killed is tried again.
    made.settings["build_retry_delay"] = 1
    server = None
    try:
        if request.param == "postgresql":
            server = PostgresServer(DATABASE_PASSWORD)
            url_file = made.folder / "database-url"
            url_file.touch(mode=0o600)
            url_file.write_text(server.url)
            made.settings["db_url_file"] = str(url_file)
        made.start()
        made.start_worker()
        yield made
    finally:
        made.stop()
        if server is not None:
            server.remove()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium without a window, as nobody ever used it."""
    profile = tempfile.mkdtemp(prefix="buildbot-nix-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser")
    for flag in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"window-size={WIDTH},{HEIGHT}",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{flag}")
    made = webdriver.Chrome(options=options, service=Service(program("chromedriver")))
    yield made
    made.quit()
    shutil.rmtree(profile, ignore_errors=True)


def program(*names: str) -> str:
    """The first of these programs that is there."""
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, f"no {names[0]}"
    return found
