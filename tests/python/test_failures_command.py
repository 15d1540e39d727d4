"""``buildbot-nix failures`` lists and purges what is remembered, and says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from buildbot_nix.failures_command import DONE, MACHINE, main
from buildbot_nix.state import migrate
from buildbot_nix.state.failures import FAILURES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A master's folder with three failures of two projects."""
    settings = {"url": "http://ci/", "build_systems": ["x86_64-linux"], "local_workers": 1}
    (tmp_path / "settings.yaml").write_text(json.dumps(settings))
    engine = sa.create_engine(f"sqlite:///{tmp_path}/state.sqlite")
    with engine.connect() as connection, connection.begin():
        migrate.upgrade(connection)
    rows = [
        {"project": project, "derivation": f"/nix/store/{attr}.drv", "attr": attr}
        | {"url": f"http://ci/{attr}", "failed_at": 1_700_000_000}
        for project, attr in [("site", "x.a"), ("site", "x.b"), ("tools", "x.a")]
    ]
    with engine.begin() as connection:
        connection.execute(FAILURES.insert(), rows)
    engine.dispose()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BUILDBOT_NIX_SETTINGS", raising=False)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(arguments) == DONE
    return capsys.readouterr().out.splitlines()


def test_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "list")
    assert lines[0] == "2023-11-14 22:13 UTC  site  x.a  http://ci/x.a"
    assert lines[3] == "3 remembered"
    assert said(capsys, "list", "--project", "tools", "--attr", "*.b") == ["0 remembered"]


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (["--project", "site"], 1),
        (["--attr", "*.a"], 1),
        (["--project", "site", "--attr", "x.b"], 2),
        (["--all"], 0),
    ],
)
def test_purge(
    folder: Path, capsys: pytest.CaptureFixture[str], which: list[str], left: int
) -> None:
    assert said(capsys, "purge", *which)[-1] == f"{3 - left} forgotten"
    assert said(capsys, "list")[-1] == f"{left} remembered"


def test_purge_wants_to_know_which(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["purge"])
    assert ended.value.code == 2
    assert "--all" in capsys.readouterr().err


def test_problems_are_sentences(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--master", "elsewhere"]) == MACHINE
    assert main(["list", "--settings", "nowhere.yaml"]) == MACHINE
    (tmp_path / "state.sqlite").write_text("no database, but as long as the head of one is" * 99)
    assert main(["list"]) == MACHINE
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3, said
    assert "--master" in said[0] and "nowhere.yaml" in said[1] and "not a database" in said[2]
