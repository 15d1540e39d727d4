"""``buildbot-nix failures``: what is remembered as failed, listed and forgotten by an admin.

Python, unlike all other commands, because it speaks to the master's database with what the master
has for that.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from buildbot_nix._native import load_plan
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.state import migrate
from buildbot_nix.state.failures import FAILURES, Failure, forget

#: Exit statuses, as those of the other commands.
DONE, USAGE, MACHINE = 0, 2, 3
PROGRAM = "buildbot-nix failures"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Builds that are not tried again because they failed (`cache_failed_builds`).",
    )
    made.add_argument("action", choices=["list", "purge"], help="purge: have them tried again")
    made.add_argument("--project", help="only those of this project")
    made.add_argument("--attr", metavar="GLOB", help="only attributes like this, e.g. '*.tests.*'")
    made.add_argument("--all", action="store_true", help="purge without --project or --attr")
    made.add_argument(
        "--settings",
        default=os.environ.get("BUILDBOT_NIX_SETTINGS", "settings.yaml"),
        help="the master's settings; where its database is",
    )
    made.add_argument(
        "--master",
        metavar="DIR",
        default=".",
        help="the master's folder, in which an SQLite database is",
    )
    return made


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns its exit status."""
    options = parser().parse_args(arguments)
    if options.action == "purge" and not (options.project or options.attr or options.all):
        parser().error("purge: say which: --project, --attr, or --all")
    try:
        url = sa.make_url(load_plan(options.settings).db_url())
        if url.get_backend_name() == "sqlite":
            file = os.path.join(options.master, url.database or "")
            if not os.path.exists(file):
                return complain(f"there is no database {file}; say where with --master")
            url = url.set(database=file)
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            run(connection, options)
    except BuildbotNixError as error:
        return complain(str(error))
    except sa.exc.SQLAlchemyError as error:
        shown = url.render_as_string(hide_password=True)
        return complain(f"cannot use the database {shown}: {getattr(error, 'orig', error)}")
    return DONE


def run(connection: Connection, options: argparse.Namespace) -> None:
    migrate.check(connection)
    if not sa.inspect(connection).has_table(FAILURES.name):
        print("nothing is remembered: the master has not run yet")
        return
    query = sa.select(FAILURES).order_by(FAILURES.c.project, FAILURES.c.attr)
    if options.project:
        query = query.where(FAILURES.c.project == options.project)
    found = [Failure(**row) for row in connection.execute(query).mappings()]
    if options.attr:
        found = [failure for failure in found if fnmatchcase(failure.attr, options.attr)]
    for failure in found:
        when = datetime.datetime.fromtimestamp(failure.failed_at, datetime.timezone.utc)
        print(f"{when:%Y-%m-%d %H:%M} UTC  {failure.project}  {failure.attr}  {failure.url}")
    if options.action == "purge":
        for project in {failure.project for failure in found}:
            forget(connection, project, [it.derivation for it in found if it.project == project])
        print(f"{len(found)} forgotten")
    else:
        print(f"{len(found)} remembered")


def complain(problem: str) -> int:
    print(f"{PROGRAM}: {problem}", file=sys.stderr)
    return MACHINE
