"""What happens to runs, told in this process to whoever reports it.

A run is one evaluation and the builds that come of it. The steps and builds tell, see
:mod:`buildbot_nix.runs`; nothing here waits for, or fails because of, those who listen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildbot.master import BuildMaster
from buildbot.process.build import Build
from twisted.python import log

from buildbot_nix._native import Run

#: Where a master keeps its events.
ATTRIBUTE = "nix_run_events"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a run, or the rebuild of one attribute, is about."""

    #: Name of the project.
    project: str
    #: The commit as the forge knows it, the head of a pull request; None before a checkout that
    #: has no revision has found one.
    revision: str | None
    branch: str | None
    #: Id of the build request. It stays if Buildbot starts the build once more, and rises.
    request: int
    #: Id of the build, and its page.
    build: int
    url: str

    @classmethod
    def of(cls, build: Build, project: str) -> Subject:
        """What ``build``, which has begun, is about."""
        assert build.buildid is not None and build.master is not None
        base = build.master.config.buildbotURL
        return cls(
            project=project,
            revision=build.getProperty("got_revision") or build.getProperty("revision") or None,
            branch=build.getProperty("branch") or None,
            request=build.requests[0].id,
            build=build.buildid,
            url=f"{base}#/builders/{build._builderid}/builds/{build.number}",
        )


@dataclass(frozen=True, slots=True)
class RunHeld:
    """There is no run of a commit before a member agrees to it."""

    #: Name of the project.
    project: str
    #: The head of the pull request.
    revision: str
    #: The page with the button that agrees.
    url: str


@dataclass(frozen=True, slots=True)
class RunLetGo:
    """Nobody has agreed, and it does not matter any more."""

    #: Name of the project.
    project: str
    #: The head of the pull request.
    revision: str
    #: One line for people.
    reason: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began, or is begun once more, and it is known which commit it is about."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class EvaluationEnded:
    """The evaluation has ended; its builds may have begun long ago, or have ended too."""

    subject: Subject
    #: One of Buildbot's result codes.
    results: int
    #: What it found, None if it never began.
    run: Run | None
    #: One line for people.
    text: str


@dataclass(frozen=True, slots=True)
class AttributeStarted:
    """Somebody asked for one attribute again, and its build begins."""

    subject: Subject
    #: Its name, and with project and flake attribute: that of its virtual builder.
    attr: str
    name: str


@dataclass(frozen=True, slots=True)
class AttributeEnded:
    """The build of an attribute has ended. What ended without one is in the run."""

    #: Of the run; of the build itself if ``is_rebuild``.
    subject: Subject
    #: Id of the build.
    build: int
    #: Its name, and with project and flake attribute: that of its virtual builder.
    attr: str
    name: str
    #: One of Buildbot's result codes.
    results: int
    #: One line for people: why it failed, if it did.
    text: str
    #: The page of its build.
    url: str
    #: Whether somebody asked for this one again, outside of a run.
    is_rebuild: bool


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended, whatever the reason. With the result RETRY it is begun once more."""

    subject: Subject
    #: One of Buildbot's result codes.
    results: int
    #: All that is known of its attributes, None if nothing was evaluated.
    run: Run | None
    #: One line for people.
    text: str
    #: Why it was stopped, if somebody did that.
    stopped_because: str | None
    #: How long it took.
    seconds: float


RunEvent = (
    RunHeld | RunLetGo | RunStarted | EvaluationEnded | AttributeStarted | AttributeEnded | RunEnded
)


class RunEvents:
    """Passes events on, at once and in order."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[RunEvent], object]] = []

    @classmethod
    def find(cls, master: BuildMaster) -> RunEvents:
        """Those of ``master``."""
        events: RunEvents | None = getattr(master, ATTRIBUTE, None)
        if events is None:
            events = cls()
            setattr(master, ATTRIBUTE, events)
        return events

    def subscribe(self, listener: Callable[[RunEvent], object]) -> Callable[[], None]:
        """Calls ``listener`` for each event until what is returned is called. It must be quick."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def emit(self, event: RunEvent) -> None:
        """Tells everybody. What goes wrong there is logged and does not concern the caller."""
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                log.err(None, f"while telling of {type(event).__name__}")
