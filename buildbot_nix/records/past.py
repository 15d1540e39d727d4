"""What was recorded of the attributes of a run, in all its lives."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import NamedTuple

import sqlalchemy as sa
from buildbot.db.model import Model
from buildbot.process.results import CANCELLED, FAILURE, SUCCESS, WARNINGS
from sqlalchemy.engine import Connection

from buildbot_nix._native import BuildResult

#: Builds whose properties are read with one statement; databases bound the number of parameters.
BUILDS_MAX = 500
RESULTS = {
    SUCCESS: BuildResult.Succeeded,
    WARNINGS: BuildResult.Succeeded,
    FAILURE: BuildResult.Failed,
    CANCELLED: BuildResult.Cancelled,
}


#: As ``Run.restore`` takes it: properties, result, one line for people and URL.
PastRecord = tuple[dict[str, str], BuildResult, str, str]


class PastBuild(NamedTuple):
    """A build or record that has ended."""

    id: int
    #: Properties that are texts.
    properties: dict[str, str]
    result: BuildResult
    text: str
    builder: int
    number: int

    def row(self, base_url: str) -> PastRecord:
        """As ``Run.restore`` takes it."""
        url = f"{base_url}#/builders/{self.builder}/builds/{self.number}"
        return self.properties, self.result, self.text, url


def past_builds(connection: Connection, request: int) -> list[PastBuild]:
    """All that the builds of the request ``request`` have triggered or recorded and that has
    ended, the oldest first; builds that somebody asked for again are among them. Runs in a
    thread."""
    builds, requests, sets = Model.builds, Model.buildrequests, Model.buildsets
    parents = sa.select(builds.c.id).where(builds.c.buildrequestid == request)
    query = (
        sa.select(
            builds.c.id, builds.c.results, builds.c.state_string, builds.c.builderid,
            builds.c.number,
        )
        .join(requests, requests.c.id == builds.c.buildrequestid)
        .join(sets, sets.c.id == requests.c.buildsetid)
        .where(sets.c.parent_buildid.in_(parents), builds.c.complete_at.is_not(None))
        .order_by(builds.c.id)
    )  # fmt: skip
    rows = list(connection.execute(query))
    properties = properties_of(connection, [row.id for row in rows])
    return [
        PastBuild(
            row.id,
            properties[row.id],
            RESULTS.get(row.results, BuildResult.Transient),
            row.state_string,
            row.builderid,
            row.number,
        )
        for row in rows
    ]


def properties_of(connection: Connection, builds: list[int]) -> dict[int, dict[str, str]]:
    """Properties that are texts, by build."""
    table = Model.build_properties
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for start in range(0, len(builds), BUILDS_MAX):
        query = sa.select(table.c.buildid, table.c.name, table.c.value).where(
            table.c.buildid.in_(builds[start : start + BUILDS_MAX])
        )
        for build, name, text in connection.execute(query):
            value = json.loads(text)
            if isinstance(value, str):
                found[build][name] = value
    return found
