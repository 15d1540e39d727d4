"""What the predecessor left is taken over once, and nothing of it is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from buildbot.db.model import Model
from sqlalchemy.engine import Engine

from buildbot_nix import predecessor
from buildbot_nix._native import CommitStatuses, Ended
from buildbot_nix.outbox import row_of
from buildbot_nix.state import migrate as tables
from buildbot_nix.state.failures import FAILURES
from buildbot_nix.state.outbox import OUTBOX, CommitKey, of_commit
from buildbot_nix.state.repositories import replace

from .forge_plans import forge_plan, repository

DERIVATION = "/nix/store/{}-test.drv"
SHA = "1" * 40


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A master's folder with settings for a database in it."""
    settings = {
        "url": "http://localhost/",
        "build_systems": ["x86_64-linux"],
        "local_workers": 1,
        "db_url": "sqlite:///state.sqlite",
    }
    (tmp_path / "settings.yaml").write_text(json.dumps(settings))
    (tmp_path / "github-app-installation-token-map.json").write_text("{}")
    return tmp_path


@pytest.fixture
def engine(home: Path) -> Engine:
    """Buildbot's tables and the predecessor's, with two failures and one of a lost build."""
    engine = sa.create_engine(f"sqlite:///{home / 'state.sqlite'}")
    # One transaction: each waits for the disk.
    with engine.begin() as connection:
        Model.metadata.create_all(connection)
    theirs = sa.Table(
        "failed_builds",
        sa.MetaData(),
        sa.Column("derivation", sa.String(512), primary_key=True),
        sa.Column("timestamp", sa.Float),
        sa.Column("url", sa.String(1024)),
    )
    theirs.create(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(Model.projects).values(id=1, name="team/site", name_hash="x", slug="site")
        )
        for builder in (7, 8):
            connection.execute(
                sa.insert(Model.builders).values(
                    id=builder, name=f"b{builder}", name_hash=f"b{builder}", projectid=1
                )
            )
        connection.exec_driver_sql("pragma foreign_keys = off")
        for build, (builder, number) in enumerate([(7, 3), (8, 1), (7, 1)], start=1):
            connection.execute(
                sa.insert(Model.builds).values(
                    id=build,
                    number=number,
                    builderid=builder,
                    buildrequestid=build,
                    workerid=1,
                    masterid=1,
                    started_at=1,
                    locks_duration_s=0,
                    state_string="",
                )
            )
            connection.execute(
                sa.insert(Model.build_properties).values(
                    buildid=build, name="attr", value=json.dumps(f"a{build}"), source="test"
                )
            )
        rows = [
            {
                "derivation": DERIVATION.format(1),
                "timestamp": 10.5,
                "url": "http://ci/#/builders/7/builds/3",
            },
            {
                "derivation": DERIVATION.format(2),
                "timestamp": 20.0,
                "url": "http://ci/#builders/8/builds/1",
            },
            {
                "derivation": DERIVATION.format(3),
                "timestamp": 30.0,
                "url": "http://ci/#/builders/9/builds/1",
            },
        ]
        connection.execute(sa.insert(theirs), rows)
    return engine


def migrate(home: Path, *arguments: str) -> int:
    return predecessor.main([str(home / "settings.yaml"), "--home", str(home), *arguments])


def adopted(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(FAILURES))]


def test_a_dry_run_tells_and_changes_nothing(
    home: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (home / "state.sqlite").read_bytes()
    assert migrate(home) == 0
    told = capsys.readouterr().out
    assert "would adopt up to 2 derivations" in told
    assert "1 derivations are of builds that are not in the database any more" in told
    assert "github-app-installation-token-map.json (tokens" in told
    assert "nothing was written" in told
    assert (home / "state.sqlite").read_bytes() == before


def test_failures_get_their_projects_and_attributes(
    home: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(home, "--apply") == 0
    assert "adopted 2 derivations" in capsys.readouterr().out
    assert adopted(engine) == [
        ("team/site", DERIVATION.format(1), "a1", "http://ci/#/builders/7/builds/3", 10),
        ("team/site", DERIVATION.format(2), "a2", "http://ci/#builders/8/builds/1", 20),
    ]
    assert (home / "github-app-installation-token-map.json").exists()
    with engine.connect() as connection:
        theirs = connection.execute(sa.select(predecessor.THEIRS)).all()
    assert len(theirs) == 3


def test_again_it_changes_nothing_that_is_newer(
    home: Path, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(home, "--apply") == 0
    with engine.begin() as connection:
        connection.execute(sa.update(FAILURES).values(failed_at=99))
    assert migrate(home, "--apply") == 0
    assert "adopted 0 derivations that failed; 2 were known already" in capsys.readouterr().out
    assert {row[-1] for row in adopted(engine)} == {99}


@pytest.fixture
def red(home: Path, engine: Engine) -> str:
    """The predecessor has told a forge that an attribute is red, and another of who knows where; a
    master of this project knows the repository. Gives the name of the virtual builder."""
    forge_plan(home, repository(), db_url="sqlite:///state.sqlite")
    (home / "settings.json").rename(home / "settings.yaml")
    name = "github:team/site#checks.x86_64-linux.a"
    with engine.begin() as connection:
        tables.upgrade(connection)
        replace(connection, "github", {17: repository().stored()})
        connection.exec_driver_sql(
            "create table failed_statuses (revision varchar(255), status_name varchar(255),"
            " timestamp float, primary key (revision, status_name))"
        )
        rows = [
            {"revision": SHA, "status_name": f"buildbot/nix-build {name}", "timestamp": 10.5},
            {"revision": SHA, "status_name": "github:who/knows#checks.b", "timestamp": 10.5},
        ]
        connection.execute(sa.insert(predecessor.RED), rows)
    return name


def test_red_attributes_become_green_when_they_are_built_again(
    home: Path, engine: Engine, red: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(home) == 0
    told = capsys.readouterr().out
    assert "would adopt up to 1 attributes of commits that are red" in told
    assert "1 red attributes are of repositories that are not known" in told
    for added in (1, 0):
        assert migrate(home, "--apply") == 0
        assert f"adopted {added} attributes of commits" in capsys.readouterr().out

    plan = forge_plan(home, repository())
    with engine.connect() as connection:
        [status] = of_commit(connection, CommitKey("github", "team/site", SHA))
        [waiting] = connection.execute(sa.select(OUTBOX.c.waiting)).scalars()
    assert (status.state, status.changed_at, waiting) == ("failure", 10, False)
    statuses = CommitStatuses(plan, "team/site", [row_of(status)])
    statuses.attribute_ended(5, 6, "http://ci/", Ended.Succeeded, red, "", False)
    assert [(row.context, row.state) for row in statuses.changed()] == [
        (f"buildbot/nix-build {red}", "success")
    ]


def test_a_database_without_the_predecessor_is_fine(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(home) == 0
    assert "would adopt up to 0" in capsys.readouterr().out


def test_what_cannot_be_read_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predecessor.main([str(home / "missing.yaml")]) == 3
    assert "missing.yaml" in capsys.readouterr().err
