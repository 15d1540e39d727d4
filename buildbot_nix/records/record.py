"""One build of an attribute, as Buildbot's tables have it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet import defer

#: Buildbot's types of logs: lines that begin with a letter, and a page.
STREAM, HTML = "s", "h"

#: A property's value and where it comes from.
Property = tuple[Any, str]


@dataclass(frozen=True, slots=True)
class Origin:
    """What the builds of one evaluation have in common."""

    #: The evaluation's build, of which they are shown as triggered.
    parent_build: int
    project: int | None
    sourcestamps: tuple[int, ...]
    master: int
    #: Properties of all builds, besides their own.
    properties: dict[str, Property]


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What Buildbot does to build something again."""

    #: The builder that does it.
    builder: int
    properties: dict[str, Property]


@dataclass(frozen=True, slots=True)
class Ids:
    """What the database calls a build."""

    build: int
    number: int
    builder: int
    request: int
    step: int
    log: int


@dataclass(frozen=True, slots=True)
class End:
    """How a build ended."""

    #: One of Buildbot's result codes.
    results: int
    #: One line for people.
    text: str
    at: int
    properties: dict[str, Property]


@dataclass(eq=False, slots=True)
class Record:
    """A build that is shown and kept like one of Buildbot: started when it is made, and ended once.

    All of it may be called as often as one likes; what has gathered is written together.
    """

    origin: Origin
    #: Pages want one.
    worker: int
    #: The builder under which people find it: one for each attribute.
    builder_name: str
    #: Its properties, besides those of the origin.
    properties: dict[str, Property]
    #: What happens if somebody asks for a rebuild.
    rebuild: Rebuild
    step_name: str
    log_name: str
    #: Called, in the reactor's thread, when it has something to be written.
    on_change: Callable[[Record], None]
    log_type: str = STREAM
    #: Called with a reason if somebody stops the build.
    on_stop: Callable[[str], object] = lambda _: None
    started_at: int = field(default_factory=lambda: int(time.time()))
    #: Set, and told, when it is in the database.
    ids: Ids | None = None
    written: defer.Deferred[Ids] = field(default_factory=defer.Deferred)
    end: End | None = None
    #: Whether its step has ended before the build does, and is written as that.
    step_ended: bool = False
    #: Lines of the log that are in the database.
    lines: int = 0
    #: Pieces of the log that are in the database.
    chunks: int = 0
    _text: list[str] = field(default_factory=list)

    def log(self, stream: str, text: str) -> None:
        """Adds whole lines to the log; ``stream`` is Buildbot's letter, ``o`` or ``h``, none in a
        page."""
        for line in text.splitlines():
            self._text.append(f"{stream}{line}")
        self.on_change(self)

    def finish(
        self, results: int, text: str, properties: dict[str, Property] | None = None
    ) -> None:
        """The build has ended; more is an error."""
        assert self.end is None
        self.end = End(results, text, int(time.time()), properties or {})
        self.on_change(self)

    def take_text(self) -> list[str]:
        """Lines that are not in the database."""
        text, self._text = self._text, []
        return text
