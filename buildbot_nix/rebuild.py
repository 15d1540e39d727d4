"""Builds that are done once more because somebody asked for it."""

from __future__ import annotations

from typing import Any

from buildbot.data.resultspec import ResultSpec
from buildbot.master import BuildMaster

#: The property that says who asked for a build. Buildbot shows it among the build's owners, and
#: sets it itself for builds that are started with a form.
OWNER = "owner"
#: What Buildbot calls the reason, and our source of the property.
REBUILD = "rebuild"


async def rebuild(master: BuildMaster, build: int, who: str) -> tuple[int, dict[int, int]]:
    """Does what Buildbot does to rebuild ``build``, and says on the new build who asked for it;
    Buildbot would repeat who asked for the old one.

    Returns the numbers of the buildset, and of the request by builder.
    """
    data = master.data
    row = await data.get(("builds", str(build)))
    request = await data.get(("buildrequests", str(row["buildrequestid"])))
    buildset = await data.get(("buildsets", str(request["buildsetid"])))
    properties = await data.get(("buildsets", str(request["buildsetid"]), "properties"))
    properties = {**properties, OWNER: (who, REBUILD)}
    first = await data.get_with_resultspec(
        ("buildrequests", str(request["buildrequestid"]), "builds"),
        ResultSpec(order=["buildid"], limit=1),
    )
    updates: Any = data.updates
    added: tuple[int, dict[int, int]] = await updates.addBuildset(
        waited_for=False,
        scheduler=REBUILD,
        sourcestamps=[stamp["ssid"] for stamp in buildset["sourcestamps"]],
        reason=REBUILD,
        properties=properties,
        builderids=[request["builderid"]],
        external_idstring=buildset["external_idstring"],
        # Always the first of all.
        rebuilt_buildid=buildset["rebuilt_buildid"] or first[0]["buildid"],
        parent_buildid=buildset["parent_buildid"],
        parent_relationship=buildset["parent_relationship"],
    )
    return added
