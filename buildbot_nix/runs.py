"""The builds that Buildbot schedules, as they tell how they go.

What tells is the build and not its steps, so that every end is told: also that of a checkout that
failed, of a step that raised, of a worker that is lost, and of what somebody stopped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from buildbot.process.build import Build
from buildbot.process.builder import Builder
from buildbot.process.buildstep import BuildStep
from buildbot.process.factory import BuildFactory
from buildbot.process.results import RETRY
from buildbot.util.twisted import async_to_deferred

from buildbot_nix.driver import RunDriver
from buildbot_nix.run_events import (
    AttributeEnded,
    AttributeStarted,
    EvaluationEnded,
    RunEnded,
    RunEvent,
    RunEvents,
    RunStarted,
    Subject,
)
from buildbot_nix.steps.eval import EvaluateFlake


class ToldBuild(Build, ABC):
    """A build of the project ``project`` that tells."""

    #: Set by :class:`ToldFactory`.
    project = ""

    _begun_at: float | None = None

    def setupBuild(self) -> None:
        super().setupBuild()
        self._begun_at = self._now()
        self.tell_begin()

    @async_to_deferred
    async def buildFinished(self, text: list[str], results: int) -> None:
        await super().buildFinished(text, results)
        # What never began has nothing to end.
        if self._begun_at is not None:
            seconds = self._now() - self._begun_at
            self.tell_end(" ".join(self.text) or " ".join(text), seconds)

    @abstractmethod
    def tell_begin(self) -> None:
        """The build has a number and its steps."""

    @abstractmethod
    def tell_end(self, text: str, seconds: float) -> None:
        """The build has ended, after ``seconds``, and is written as that."""

    def subject(self) -> Subject:
        """What it is about, as far as that is known."""
        return Subject.of(self, self.project)

    def result(self) -> int:
        """Buildbot's result code, as far as that is known."""
        assert self.results is not None
        return self.results

    def tell(self, event: RunEvent) -> None:
        assert self.master is not None
        RunEvents.find(self.master).emit(event)

    def _now(self) -> float:
        assert self.master is not None
        return float(self.master.reactor.seconds())


class EvaluationBuild(ToldBuild):
    """A run."""

    _has_begun = False

    def tell_begin(self) -> None:
        subject = self.subject()
        if subject.revision is not None and not self._has_begun:
            self._has_begun = True
            self.tell(RunStarted(subject))

    @async_to_deferred
    async def stepDone(self, results: int, step: BuildStep) -> bool:
        terminate: bool = await super().stepDone(results, step)
        # The checkout has found the revision, if there was none.
        self.tell_begin()
        if isinstance(step, EvaluateFlake):
            driver = RunDriver.of(self)
            if driver is not None:
                # What did not evaluate has a page.
                await driver.settled()
            self.tell(
                EvaluationEnded(
                    subject=self.subject(),
                    results=results if self.conn else RETRY,
                    run=driver.run if driver else None,
                    text=step.getResultSummary()["step"],
                )
            )
        return terminate

    def tell_end(self, text: str, seconds: float) -> None:
        driver = RunDriver.of(self)
        self.tell(
            RunEnded(
                subject=self.subject(),
                results=self.result(),
                run=driver.run if driver else None,
                text=text,
                stopped_because=self.stopped_reason,
                seconds=seconds,
            )
        )


class AttributeRebuild(ToldBuild):
    """One attribute, for which somebody asked again."""

    def tell_begin(self) -> None:
        attr, name = self._names()
        if name:
            self.tell(AttributeStarted(subject=self.subject(), attr=attr, name=name))

    def tell_end(self, text: str, seconds: float) -> None:
        attr, name = self._names()
        if name:
            subject = self.subject()
            self.tell(
                AttributeEnded(
                    subject=subject,
                    build=subject.build,
                    attr=attr,
                    name=name,
                    results=self.result(),
                    text=self.stopped_reason or text,
                    url=subject.url,
                    is_rebuild=True,
                )
            )

    def _names(self) -> tuple[str, str]:
        """Empty if somebody started the builder by hand, which builds nothing."""
        return self.getProperty("attr", ""), self.getProperty("virtual_builder_name", "")


class ToldFactory(BuildFactory):
    """Makes builds of one kind of one project."""

    compare_attrs = (*BuildFactory.compare_attrs, "project")

    def __init__(self, kind: type[ToldBuild], project: str, steps: Sequence[BuildStep]) -> None:
        super().__init__(steps)
        self.buildClass = kind
        self.project = project

    def newBuild(self, requests: list[Any], builder: Builder) -> Build:
        build = super().newBuild(requests, builder)
        assert isinstance(build, ToldBuild)
        build.project = self.project
        return build
