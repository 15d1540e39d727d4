"""``buildbot-nix migrate``: takes over what nix-community/buildbot-nix left, and destroys nothing.

Builders, projects, builds, gc roots and files of outputs have the same names and stay as they are.
What is adopted is in tables of its own: derivations that failed, and which attributes of commits
are red on their forge, so that these become green when they are built again. All else that it left
is told.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from buildbot_nix._native import CommitStatuses, Ended, ForgeRepository, Plan, load_plan
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.reporter import status_of
from buildbot_nix.state import Failure, known_repositories, migrate
from buildbot_nix.state.failures import FAILURES
from buildbot_nix.state.outbox import OUTBOX, CommitKey, Status
from buildbot_nix.state.tables import portions, put

#: Its table of failures; the URL is that of the build that failed.
THEIRS = sa.table(
    "failed_builds", sa.column("derivation"), sa.column("timestamp"), sa.column("url")
)
#: Its table of attributes that forges were told to be red.
RED = sa.table(
    "failed_statuses", sa.column("revision"), sa.column("status_name"), sa.column("timestamp")
)
BUILD_URL = re.compile(r"#/?builders/(\d+)/builds/(\d+)")
#: Buildbot's own tables, as far as a build's project and attribute are in them.
BUILDERS = sa.table("builders", sa.column("id"), sa.column("projectid"))
PROJECTS = sa.table("projects", sa.column("id"), sa.column("name"))
BUILDS = sa.table("builds", sa.column("id"), sa.column("builderid"), sa.column("number"))
PROPERTIES = sa.table(
    "build_properties", sa.column("buildid"), sa.column("name"), sa.column("value")
)
#: Files in the master's home that nothing reads any more, and what was in them.
FILES = {
    "github-app-installation-token-map.json": "tokens of the GitHub App, as plain text",
    "github-app-project-id-map-name.json": "installations of the GitHub App",
    "github-app-jwt-token": "a token of the GitHub App, as plain text",
    "github-project-cache-v1.json": "the list of projects on GitHub",
    "gitea-project-cache.json": "the list of projects on Gitea",
    "scheduled-effects-cache": "schedules of effects",
}


@dataclass(frozen=True)
class Findings:
    """What there is to adopt, and what cannot be."""

    failures: list[Failure]
    #: Of builds that are not in the database any more, so nobody knows whose they were.
    lost: int
    red: list[Status]
    #: Whose names are of no repository that is known.
    unknown: int


def find(connection: Connection, plan: Plan) -> Findings:
    """What the predecessor left in the database."""
    return Findings(*failures(connection), *red_statuses(connection, plan))


def failures(connection: Connection) -> tuple[list[Failure], int]:
    """Derivations that failed, and the number of those of which nobody knows whose they were."""
    if not sa.inspect(connection).has_table(THEIRS.name):
        return [], 0
    rows = connection.execute(sa.select(THEIRS)).mappings().all()
    builds = [(row, match) for row in rows if (match := BUILD_URL.search(row["url"]))]
    wanted = {(int(match[1]), int(match[2])) for _, match in builds}
    known = dict(owners(connection, sorted(wanted)))
    found = [
        Failure(project, row["derivation"], attr, row["url"], int(row["timestamp"]))
        for row, match in builds
        if (owner := known.get((int(match[1]), int(match[2]))))
        for project, attr in [owner]
    ]
    return found, len(rows) - len(found)


def owners(
    connection: Connection, builds: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], tuple[str, str]]]:
    """Project and attribute of builds, by the builder and number in their URLs."""
    query = (
        sa.select(BUILDS.c.builderid, BUILDS.c.number, PROJECTS.c.name, PROPERTIES.c.value)
        .join(BUILDERS, BUILDERS.c.id == BUILDS.c.builderid)
        .join(PROJECTS, PROJECTS.c.id == BUILDERS.c.projectid)
        .join(PROPERTIES, PROPERTIES.c.buildid == BUILDS.c.id)
        .where(PROPERTIES.c.name == "attr")
    )
    for portion in portions(builds):
        numbers = {number for _, number in portion}
        builders = {builder for builder, _ in portion}
        rows = connection.execute(
            query.where(BUILDS.c.builderid.in_(builders), BUILDS.c.number.in_(numbers))
        )
        for builder, number, project, attr in rows:
            yield (builder, number), (project, json.loads(attr))


def red_statuses(connection: Connection, plan: Plan) -> tuple[list[Status], int]:
    """Attributes that are red on their forge, as they would be had this version told it, and the
    number of those of which nobody knows whose they are."""
    if not sa.inspect(connection).has_table(RED.name):
        return [], 0
    of_forges = {
        project.repository.identity: project for project in plan.projects if project.repository
    }
    unknown = 0
    red: list[tuple[tuple[str, str], str, float]] = []
    for revision, name, when in connection.execute(sa.select(RED)):
        # The name of a virtual builder, `<forge>:<owner>/<name>#<attribute>`, or a context with it.
        start = name.split("#")[0].split(" ")[-1]
        if "#" in name and start in of_forges:
            red.append(((start, revision), name[name.index(start) :], when))
        else:
            unknown += 1
    statuses = []
    for (identity, revision), rows in groupby(sorted(red), key=lambda row: row[0]):
        project = of_forges[identity]
        assert project.repository is not None
        commit = CommitKey(project.repository.forge.word, project.repository.full_name, revision)
        times = {name: int(when) for _, name, when in rows}
        # Older than whatever this version runs.
        told = CommitStatuses(plan, project.name, [])
        for name in times:
            told.attribute_ended(0, 0, plan.url, Ended.Failed, name, "it failed before", False)
        for row in told.changed():
            when = max(times.values())
            status = status_of(row, commit, project.name, project.repository)
            statuses.append(replace(status, changed_at=when))
    return statuses, unknown


def adopt(connection: Connection, findings: Findings) -> tuple[int, int]:
    """Takes over what was found, but for what this version knows better. Returns how many failures
    and statuses."""
    # Their forge has them already.
    told = {"sequence": 1, "waiting": False, "check_run": None, "refusal": None}
    return (
        add(connection, FAILURES, map(asdict, findings.failures)),
        add(connection, OUTBOX, (asdict(status) | told for status in findings.red)),
    )


def add(connection: Connection, table: sa.Table, rows: Iterable[dict[str, object]]) -> int:
    """Adds ``rows`` whose keys ``table`` does not have. Returns how many."""
    columns = list(table.primary_key)
    added = 0
    for portion in portions(rows):
        keys = [tuple(row[column.name] for column in columns) for row in portion]
        query = sa.select(*columns).where(sa.tuple_(*columns).in_(keys))
        present = {tuple(row) for row in connection.execute(query)}
        new = [row for key, row in zip(keys, portion, strict=True) if key not in present]
        put(connection, table, new)
        added += len(new)
    return added


def report(findings: Findings, adopted: tuple[int, int] | None, home: Path) -> Iterator[str]:
    """What was done or would be, a line each."""
    found = [
        (len(findings.failures), "derivations that failed"),
        (len(findings.red), "attributes of commits that are red on their forge"),
    ]
    for (count, what), added in zip(found, adopted or (None, None), strict=True):
        if added is None:
            yield f"would adopt up to {count} {what}"
        else:
            yield f"adopted {added} {what}; {count - added} were known already"
    if findings.lost:
        yield f"{findings.lost} derivations are of builds that are not in the database any more"
    if findings.unknown:
        yield f"{findings.unknown} red attributes are of repositories that are not known (yet)"
    for name, what in FILES.items():
        if (home / name).exists():
            yield f"not read any more, can be deleted: {home / name} ({what})"
    yield "unchanged: builders, builds and their logs, gc roots, files of outputs"
    if adopted is None:
        yield "nothing was written; with --apply it is"


def database_url(url: str, folder: Path) -> sa.URL:
    """``url``, with a SQLite file where Buildbot has it: below the master's folder."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return parsed
    return parsed.set(database=str(folder / parsed.database))


def main(argv: Sequence[str]) -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="buildbot-nix migrate",
        description="Take over what nix-community/buildbot-nix left. Shows what it would do; "
        "deletes nothing, and can be repeated.",
    )
    parser.add_argument("settings", nargs="?", default="settings.yaml", help="the settings file")
    parser.add_argument("--apply", action="store_true", help="do it")
    parser.add_argument(
        "--master-folder", type=Path, help="where master.cfg is; the folder of the settings file"
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=Path("/var/lib/buildbot"),
        help="where the predecessor's files are",
    )
    arguments = parser.parse_args(argv)
    try:
        folder = arguments.master_folder or Path(arguments.settings).parent
        plan = load_plan(arguments.settings)
        url = database_url(plan.db_url(), folder)
        plan = plan.with_repositories(list(map(ForgeRepository.restore, known_repositories(url))))
        engine = sa.create_engine(url)
        with engine.connect() as connection, connection.begin():
            if arguments.apply:
                migrate.upgrade(connection)
            findings = find(connection, plan)
            adopted = adopt(connection, findings) if arguments.apply else None
    except (BuildbotNixError, SQLAlchemyError) as error:
        print(f"error: nothing was changed: {error}", file=sys.stderr)
        return 3
    print("\n".join(report(findings, adopted, arguments.home)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
