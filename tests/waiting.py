"""Waiting for something that another process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Seconds between two looks.
INTERVAL = 0.2


class WaitedInVainError(AssertionError):
    """Something did not happen in time. Says what, and what was seen last."""


def wait_until(
    what: str,
    look: Callable[[], Found | None],
    seconds: float = 60,
    *,
    seen: Callable[[], object] | None = None,
) -> Found:
    """The first true result of ``look``. ``seen`` tells what there is instead at the end."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            instead = f"; there is {seen()!r}" if seen else ""
            raise WaitedInVainError(f"waited {seconds:g} s in vain for {what}{instead}")
        time.sleep(INTERVAL)
