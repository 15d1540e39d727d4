"""``buildbot-nix migrate``: takes over what nix-community/buildbot-nix left, and destroys nothing.

Builders, projects, builds, gc roots and files of outputs have the same names and stay as they are.
What is adopted is in a table of its own: derivations that failed. All else that it left is told.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from buildbot_nix._native import load_plan
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.state import Failure, migrate
from buildbot_nix.state.failures import FAILURES
from buildbot_nix.state.tables import portions, put

#: Its table of failures; the URL is that of the build that failed.
THEIRS = sa.table(
    "failed_builds", sa.column("derivation"), sa.column("timestamp"), sa.column("url")
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


def find(connection: Connection) -> Findings:
    """What the predecessor left in the database."""
    if not sa.inspect(connection).has_table(THEIRS.name):
        return Findings([], 0)
    rows = connection.execute(sa.select(THEIRS)).mappings().all()
    builds = [(row, match) for row in rows if (match := BUILD_URL.search(row["url"]))]
    wanted = {(int(match[1]), int(match[2])) for _, match in builds}
    known = dict(owners(connection, sorted(wanted)))
    failures = [
        Failure(project, row["derivation"], attr, row["url"], int(row["timestamp"]))
        for row, match in builds
        if (found := known.get((int(match[1]), int(match[2]))))
        for project, attr in [found]
    ]
    return Findings(failures, len(rows) - len(failures))


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


def adopt(connection: Connection, findings: Findings) -> int:
    """Takes over what was found, but for what this version knows better. Returns how many."""
    keys = sa.tuple_(FAILURES.c.project, FAILURES.c.derivation)
    adopted = 0
    for portion in portions(findings.failures):
        wanted = [(failure.project, failure.derivation) for failure in portion]
        present = connection.execute(sa.select(*FAILURES.primary_key).where(keys.in_(wanted)))
        ours = {(row[0], row[1]) for row in present}
        new = [failure for failure in portion if (failure.project, failure.derivation) not in ours]
        put(connection, FAILURES, [asdict(failure) for failure in new])
        adopted += len(new)
    return adopted


def report(findings: Findings, adopted: int | None, home: Path) -> Iterator[str]:
    """What was done or would be, a line each."""
    count = len(findings.failures)
    if adopted is None:
        yield f"would adopt up to {count} derivations that failed"
    else:
        yield f"adopted {adopted} derivations that failed; {count - adopted} were known already"
    if findings.lost:
        yield f"  {findings.lost} more are of builds that are not in the database any more"
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
        engine = sa.create_engine(database_url(load_plan(arguments.settings).db_url(), folder))
        with engine.connect() as connection, connection.begin():
            if arguments.apply:
                migrate.upgrade(connection)
            findings = find(connection)
            adopted = adopt(connection, findings) if arguments.apply else None
    except (BuildbotNixError, SQLAlchemyError) as error:
        print(f"error: nothing was changed: {error}", file=sys.stderr)
        return 3
    print("\n".join(report(findings, adopted, arguments.home)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
