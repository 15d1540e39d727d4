"""Ways in which a forge answers badly, for :meth:`tests.fakes.forge.Forge.fail`."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.server import Answer, Exchange, json_answer

#: Answers a request. ``proceed`` has the answer that it would have had, with all its effects.
Act = Callable[[Exchange, Callable[[], Answer]], None]


@dataclass
class Fault:
    """What is done to some requests."""

    method: str
    #: A glob for the path, without the API's prefix.
    path: str
    act: Act
    #: How many requests are left that it is done to; none: all.
    times: int | None = None
    #: How many it was done to.
    seen: int = 0

    def takes(self, method: str, path: str) -> bool:
        """Whether it is done to this request, which then counts."""
        if self.times == 0 or self.method not in ("*", method):
            return False
        if not fnmatch.fnmatchcase(path, self.path):
            return False
        self.times = None if self.times is None else self.times - 1
        self.seen += 1
        return True


def refuse(status: int, message: str = "No", **headers: str) -> Act:
    """Answers with an error and does nothing. Underscores in names of headers are hyphens."""

    def act(exchange: Exchange, proceed: Callable[[], Answer]) -> None:
        exchange.send(json_answer({"message": message}, status, **headers))

    return act


def secondary_limit(seconds: int) -> Act:
    """GitHub's answer to a client that does too much at once."""
    return refuse(
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        Retry_After=str(seconds),
    )


def delay(seconds: float) -> Act:
    """Answers well, but late."""

    def act(exchange: Exchange, proceed: Callable[[], Answer]) -> None:
        exchange.stopping.wait(seconds)
        exchange.send(proceed())

    return act


def drip(seconds: float = 1.0) -> Act:
    """Answers well, one byte at a time."""
    return lambda exchange, proceed: exchange.drip(proceed(), seconds)


def reset() -> Act:
    """Ends the connection instead of doing anything."""
    return lambda exchange, proceed: exchange.reset()


def lose_answer() -> Act:
    """Does what was asked, and ends the connection instead of saying so."""

    def act(exchange: Exchange, proceed: Callable[[], Answer]) -> None:
        proceed()
        exchange.reset()

    return act


def cut_off() -> Act:
    """Sends half of the answer."""
    return lambda exchange, proceed: exchange.cut_off(proceed())


def garbage(body: bytes = b"<html>Bad gateway") -> Act:
    """Claims to send JSON, and does not."""
    answer = Answer(200, body, {"Content-Type": "application/json"})
    return lambda exchange, proceed: exchange.send(answer)


def meanwhile(change: Callable[[], object]) -> Act:
    """Changes something just before a request is looked at."""

    def act(exchange: Exchange, proceed: Callable[[], Answer]) -> None:
        change()
        exchange.send(proceed())

    return act


@dataclass
class Window:
    """At most ``count`` requests in any ``seconds``."""

    count: int
    seconds: float = 60

    def __post_init__(self) -> None:
        self._times: list[float] = []

    def wait_for(self) -> float:
        """Seconds until a request is free again; none left are 0, which takes one."""
        now = time.monotonic()
        self._times = [each for each in self._times if each > now - self.seconds]
        if len(self._times) < self.count:
            self._times.append(now)
            return 0
        return self._times[0] + self.seconds - now
