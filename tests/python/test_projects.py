"""`buildbot-nix projects`, as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.python.gitea import ANSWERS, Double, double, settings

__all__ = ["double", "settings"]

API = "GET /api/v1/"


def run(settings: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ}
    environment.pop("CREDENTIALS_DIRECTORY", None)
    command = [sys.executable, "-m", "buildbot_nix", "projects", *arguments, str(settings)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def test_projects_are_listed(settings: Path) -> None:
    shown = run(settings, "list")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[:2] == ["Gitea", "  team/site  main"]
    (project,) = json.loads(run(settings, "list", "--format", "json").stdout)["projects"]
    assert (project["forge"], project["name"]) == ("gitea", "team/site")


def test_a_doctor_tells_what_is_missing(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"version": {"version": "1.24.0"}, "user": {"login": "ci"}}
    for path, answer in answers.items():
        monkeypatch.setitem(ANSWERS, API + path, (200, answer))
    shown = run(settings, "doctor")
    assert shown.returncode == 1
    for line in (
        "  token of `ci`, version 1.24.0",
        "  team/site",
        "    webhook        none",
        "    last delivery  the forge does not tell",
        "    last status    none on the default branch",
        "1 project: something is missing",
    ):
        assert line in shown.stdout.splitlines()
    assert (
        "problem: it has no webhook to `https://ci.example.org/change_hook/gitea`" in shown.stdout
    )
    assert "hunter" not in shown.stdout + shown.stderr

    hook = {
        "id": 1,
        "active": True,
        "events": ["delete", "pull_request", "push", "repository"],
        "config": {"url": "https://ci.example.org/change_hook/gitea", "content_type": "json"},
    }
    monkeypatch.setitem(ANSWERS, f"{API}repos/team/site/hooks", (200, [hook]))
    shown = run(settings, "doctor", "--project", "Team/Site")
    assert (shown.returncode, shown.stdout.splitlines()[-1]) == (0, "1 project: everything works")
    report = json.loads(run(settings, "doctor", "--format", "json").stdout)
    assert report["forges"][0]["projects"][0]["full_name"] == "team/site"
    assert run(settings, "doctor", "--project", "team/other").returncode == 1


def test_requests_are_shown_without_the_token(settings: Path) -> None:
    shown = run(settings, "list", "--verbose")
    assert "method=GET" in shown.stderr
    assert "/api/v1/user/repos?limit=50 status=200" in shown.stderr
    assert "hunter" not in shown.stderr


def test_a_forge_that_is_away_is_no_traceback(settings: Path, double: Double) -> None:
    token = settings.parent / "gitea-token"
    token.unlink()
    shown = run(settings, "list")
    assert shown.returncode == 3
    assert "gitea.token_file" in shown.stderr
    assert double.seen == []
