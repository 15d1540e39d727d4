"""The button that cancels jobs of evaluations one by one.

Buildbot cancels build requests, and what waits in a graph has none. So its form belongs to a
scheduler that starts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from buildbot.process.build import Build
from buildbot.schedulers.forcesched import (
    ChoiceStringParameter,
    CodebaseParameter,
    CollectedValidationError,
    ForceScheduler,
    NestedParameter,
    StringParameter,
)
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.python import log

from buildbot_nix.driver import RunDriver

#: Jobs of each evaluation that the form offers; others can be named all the same.
OFFERED_MAX = 500
#: Name of the field.
JOBS = "jobs"


class WaitingJobs(ChoiceStringParameter):
    """Jobs that wait when somebody looks, as ``<number of the evaluation> <attribute>``."""

    multiple = True
    strict = False

    def __init__(self, scheduler: CancelJobs) -> None:
        super().__init__(JOBS, label="Jobs", default=[])
        self._scheduler = scheduler

    @property
    def choices(self) -> list[str]:  # type: ignore[override]
        """What Buildbot offers."""
        return [
            f"{build.number} {attr}"
            for build, driver in self._scheduler.runs()
            for attr in driver.run.waiting_names(OFFERED_MAX)
        ]


class CancelJobs(ForceScheduler):
    """Cancels jobs that wait in the evaluations of one builder."""

    def __init__(self, name: str, builderNames: Sequence[str]) -> None:
        super().__init__(
            name=name,
            builderNames=builderNames,
            reason=StringParameter(name="reason", label="Reason", default="not needed", size=40),
            buttonName="Cancel jobs",
            # What Buildbot calls the button of a form cannot be changed.
            label="Cancel jobs that wait (with “Start build”, which starts nothing)",
            codebases=[CodebaseParameter("", hide=True)],
        )

    def startService(self) -> Any:
        # Without a row in the database, and without asking there whether another master does it:
        # what it cancels is in the memory of this one.
        return BuildbotService.startService(self)

    @property
    def all_fields(self) -> list[NestedParameter]:
        """The form. Who it is, our authorizer adds to the reason."""
        return [NestedParameter(name="", fields=[self.reason, WaitingJobs(self)])]

    @all_fields.setter
    def all_fields(self, fields: list[NestedParameter]) -> None:
        """Buildbot sets those with which builds are started."""

    def runs(self) -> Iterator[tuple[Build, RunDriver]]:
        """Evaluations that go on, with their drivers."""
        assert self.master is not None
        builders = map(self.master.botmaster.builders.get, self.builderNames)
        for builder in filter(None, builders):
            for build in builder.building:
                driver = RunDriver.of(build)
                if driver is not None:
                    yield build, driver

    @async_to_deferred
    async def force(  # type: ignore[override]
        self, *, reason: str = "no reason", jobs: str | Sequence[str] = (), **_more: object
    ) -> tuple[int, dict[int, int]]:
        """Cancels ``jobs``, and what needs them. Returns the request of their evaluation, as if it
        had been started, so that Buildbot leads there. Raises ``CollectedValidationError`` if none
        of them waits."""
        named = [jobs] if isinstance(jobs, str) else jobs
        runs = {str(build.number): (build, driver) for build, driver in self.runs()}
        concerned: Build | None = None
        for job in named:
            number, _, attr = job.partition(" ")
            if number not in runs:
                continue
            build, driver = runs[number]
            if driver.cancel_job(attr, reason):
                log.msg(f"buildbot-nix: {self.name} {job}: {reason}")
                concerned = build
        if concerned is None:
            raise CollectedValidationError({JOBS: problem(named)})
        request = concerned.requests[0]
        return request.bsid, {await concerned.builder.getBuilderId(): request.id}


def problem(named: Sequence[str]) -> str:
    """Why nothing was cancelled, for people."""
    if not named:
        return "choose jobs; if there are none to choose, none waits"
    return (
        f"none of these waits any more: {', '.join(named)}. A job is named by the number of its "
        "evaluation and its attribute, with a space between; what runs is stopped on its own page"
    )
