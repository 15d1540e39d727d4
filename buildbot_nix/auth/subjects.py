"""Which project the things that Buildbot shows belong to.

Buildbot knows its things by numbers that point to one another: a log to its step, that to its
build, that to its builder. These never change, so what was looked up is remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from buildbot.master import BuildMaster

from buildbot_nix._native import Plan

#: Numbers that are remembered, of each kind. One takes about 100 bytes.
REMEMBERED = 20_000

#: Names of arguments in paths of Buildbot's API, and of fields in what it sends, by which the
#: project is found; the nearest first.
KEYS = (
    "builderid",
    "buildername",
    "buildid",
    "stepid",
    "logid",
    "buildrequestid",
    "buildsetid",
    "bsid",
    "changeid",
    "ssid",
    "project",
    "projectid",
    "schedulerid",
    "schedulername",
    "changesourceid",
    "codebaseid",
    "branchid",
    "commitid",
    "commitid1",
    "test_result_setid",
)

#: Types of Buildbot's API whose records belong to no project.
INSTANCE_TYPES = frozenset({"master", "worker", "rootlink", "spec"})

#: Types whose records are found by their name; all others by one of ``KEYS``.
NAMED_TYPES = {
    "scheduler": "schedulername",
    "forcescheduler": "schedulername",
    "changesource": "changesourcename",
}


class UnknownSubjectError(Exception):
    """Nothing tells which project it belongs to."""


class Subjects:
    """Finds the projects of one plan."""

    def __init__(self, master: BuildMaster, plan: Plan) -> None:
        self._db = master.db
        self._projects = {project.buildbot_name: project.name for project in plan.projects}
        self._schedulers = {row.name: row.project for row in plan.schedulers}
        self._pollers = {row.name: row.project for row in plan.pollers}
        self._remembered: dict[str, OrderedDict[Any, str | None]] = {}
        self._finders: dict[str, Callable[[Any], Awaitable[str | None]]] = {
            "builderid": self._of_builder,
            "buildername": self._of_builder_name,
            "buildid": self._of_build,
            "stepid": self._of_step,
            "logid": self._of_log,
            "buildrequestid": self._of_request,
            "buildsetid": self._of_buildset,
            "bsid": self._of_buildset,
            "changeid": self._of_change,
            "ssid": self._of_sourcestamp,
            "projectid": self._of_project,
            "schedulerid": self._of_scheduler,
            "changesourceid": self._of_change_source,
            "codebaseid": self._of_codebase,
            "branchid": self._of_branch,
            "commitid": self._of_commit,
            "commitid1": self._of_commit,
            "test_result_setid": self._of_test_results,
        }

    async def of_path(self, arguments: Mapping[str, Any]) -> str | None:
        """The project of what a path of the API names; None if that belongs to no project.

        A name that no project of the plan has is that of one that is gone.
        """
        for key in KEYS:
            value = arguments.get(key)
            if value is not None:
                return await self._find(key, value)
        return None

    async def of_record(self, kind: str, record: Mapping[str, Any]) -> str | None:
        """The project of ``record``, of type ``kind`` of the API.

        Raises :class:`UnknownSubjectError`.
        """
        if kind in INSTANCE_TYPES:
            return None
        if kind in NAMED_TYPES:
            return await self._find(NAMED_TYPES[kind], record["name"])
        if kind == "builder" and record.get("projectid") is None:
            return None
        for key in KEYS:
            value = record.get(key)
            if value is not None:
                return await self._find(key, value)
        raise UnknownSubjectError(f"a record of type {kind}")

    async def _find(self, key: str, value: Any) -> str | None:
        if key == "project":
            return self._of_text(value)
        if key == "schedulername":
            return self._schedulers.get(value)
        if key == "changesourcename":
            return self._pollers.get(value)
        remembered = self._remembered.setdefault(key, OrderedDict())
        if value not in remembered:
            remembered[value] = await self._finders[key](value)
            if len(remembered) > REMEMBERED:
                remembered.popitem(last=False)
        return remembered[value]

    def _of_text(self, text: str) -> str | None:
        """Of a change; those that are made for something else say nothing."""
        return text or None

    async def _of_builder(self, number: int) -> str | None:
        row = await self._db.builders.getBuilder(number)
        if row is None:
            raise UnknownSubjectError(f"builder {number}")
        return await self._of_project(row.projectid) if row.projectid is not None else None

    async def _of_builder_name(self, name: str) -> str | None:
        number = await self._db.builders.findBuilderId(name, autoCreate=False)
        if number is None:
            raise UnknownSubjectError(f"builder {name}")
        return await self._find("builderid", number)

    async def _of_build(self, number: int) -> str | None:
        row = await self._db.builds.getBuild(number)
        return await self._owned(row.builderid if row else None, "builderid", f"build {number}")

    async def _of_step(self, number: int) -> str | None:
        row = await self._db.steps.getStep(stepid=number)
        return await self._owned(row.buildid if row else None, "buildid", f"step {number}")

    async def _of_log(self, number: int) -> str | None:
        row = await self._db.logs.getLog(number)
        return await self._owned(row.stepid if row else None, "stepid", f"log {number}")

    async def _of_request(self, number: int) -> str | None:
        row = await self._db.buildrequests.getBuildRequest(number)
        return await self._owned(row.builderid if row else None, "builderid", f"request {number}")

    async def _of_buildset(self, number: int) -> str | None:
        requests = await self._db.buildrequests.getBuildRequests(bsid=number)
        builder = requests[0].builderid if requests else None
        return await self._owned(builder, "builderid", f"buildset {number}")

    async def _of_change(self, number: int) -> str | None:
        row = await self._db.changes.getChange(number)
        if row is None:
            raise UnknownSubjectError(f"change {number}")
        return self._of_text(row.project)

    async def _of_sourcestamp(self, number: int) -> str | None:
        row = await self._db.sourcestamps.getSourceStamp(number)
        if row is None:
            raise UnknownSubjectError(f"source stamp {number}")
        return self._of_text(row.project)

    async def _of_project(self, number: int) -> str | None:
        row = await self._db.projects.get_project(number)
        if row is None:
            raise UnknownSubjectError(f"project {number}")
        return self._projects.get(row.name, row.name)

    async def _of_scheduler(self, number: int) -> str | None:
        row = await self._db.schedulers.getScheduler(number)
        if row is None:
            raise UnknownSubjectError(f"scheduler {number}")
        return self._schedulers.get(row.name)

    async def _of_change_source(self, number: int) -> str | None:
        row = await self._db.changesources.getChangeSource(number)
        if row is None:
            raise UnknownSubjectError(f"change source {number}")
        return self._pollers.get(row.name)

    async def _of_codebase(self, number: int) -> str | None:
        row = await self._db.codebases.get_codebase(number)
        return await self._owned(row.projectid if row else None, "projectid", f"codebase {number}")

    async def _of_branch(self, number: int) -> str | None:
        row = await self._db.codebase_branches.get_branch(number)
        return await self._owned(row.codebaseid if row else None, "codebaseid", f"branch {number}")

    async def _of_commit(self, number: int) -> str | None:
        row = await self._db.codebase_commits.get_commit(number)
        return await self._owned(row.codebaseid if row else None, "codebaseid", f"commit {number}")

    async def _of_test_results(self, number: int) -> str | None:
        row = await self._db.test_result_sets.getTestResultSet(number)
        return await self._owned(
            row.builderid if row else None, "builderid", f"test results {number}"
        )

    async def _owned(self, number: int | None, key: str, what: str) -> str | None:
        if number is None:
            raise UnknownSubjectError(what)
        return await self._find(key, number)
