"""One master for the whole suite and each database, and what is shown when a test fails."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT))


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


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def instance(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """A master with one worker machine of two slots."""
    made = Instance(request.param)
    made.settings["branches"] = {"releases": {"matchGlob": "release-*"}}
    made.settings["build_log_limit"] = 4
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
