"""What several tests need."""

from __future__ import annotations

import json
from pathlib import Path

# Before `buildbot.test`, which makes errors of warnings that pyproject.toml lets pass.
import buildbot.util.ssl  # noqa: F401
import pytest

# Warns of what it imports, and Buildbot's fakes make all warnings errors when they are imported.
from buildbot.util import ssl as _  # noqa: F401

from buildbot_nix._native import Plan, load_plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """The plan of a master with one polled project, `site`, and one machine, `farm`."""
    return write_plan(tmp_path)


def write_plan(folder: Path) -> Plan:
    """Writes settings into ``folder`` and loads them."""
    workers = [{"name": "farm", "pass": "hunter2", "cores": 2}]
    (folder / "workers.json").write_text(json.dumps(workers))
    settings = {
        "url": "http://ci.example/",
        "build_systems": ["x86_64-linux"],
        "nix_workers_secret_file": "./workers.json",
        "pull_based": {
            "repositories": {"site": {"url": "https://git.example/site", "default_branch": "main"}}
        },
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return load_plan(str(folder / "settings.json"))
