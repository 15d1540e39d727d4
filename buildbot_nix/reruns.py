"""GitHub's Re-run button: what was checked is built once more."""

from __future__ import annotations

from buildbot.data.exceptions import DataException
from buildbot.data.resultspec import ResultSpec
from buildbot.master import BuildMaster

from buildbot_nix._native import Project
from buildbot_nix.rebuild import rebuild

#: Builds of a builder that are looked through, the latest first.
BUILDS_MAX = 200


async def rerun(
    master: BuildMaster, project: Project, revision: str, external_id: str | None, who: str
) -> int | None:
    """Rebuilds build ``external_id`` of ``project``, or else its last evaluation of ``revision``,
    because ``who`` asked for it.

    Returns the number of the build that is done again, None if there is none to do again.
    """
    build = await _build_of(master, project, external_id)
    if build is None:
        build = await _last_evaluation(master, project, revision)
    if build is not None:
        await rebuild(master, build, who)
    return build


async def _build_of(master: BuildMaster, project: Project, external_id: str | None) -> int | None:
    """A check run may name any build; it must be one of its own repository."""
    if external_id is None or not external_id.isdecimal():
        return None
    try:
        build = await master.data.get(("builds", external_id))
    except DataException:
        return None
    if build is None:
        return None
    # That of an attribute is a virtual one, of the same project.
    builders = (project.eval_builder, build["builderid"])
    ours, its = [await master.data.get(("builders", builder)) for builder in builders]
    is_ours = ours is not None and its is not None and ours["projectid"] == its["projectid"]
    return int(external_id) if is_ours else None


async def _last_evaluation(master: BuildMaster, project: Project, revision: str) -> int | None:
    builds = await master.data.get_with_resultspec(
        ("builders", project.eval_builder, "builds"),
        ResultSpec(order=["-number"], limit=BUILDS_MAX),
    )
    for build in builds:
        properties = await master.data.get(("builds", build["buildid"], "properties"))
        if properties.get("got_revision", (None,))[0] == revision:
            return int(build["buildid"])
    return None
