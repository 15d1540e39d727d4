"""Where the reactor and threads meet. No other file names either.

Native calls come in two kinds (``_native.pyi`` says which is which): those that take microseconds
and do no I/O are called as they are; those that may block go through :func:`in_thread`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet import defer, threads

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_thread(
    call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> defer.Deferred[Result]:
    """``call`` in a thread of the reactor's pool; it must not touch Buildbot's objects."""
    return threads.deferToThread(call, *args, **kwargs)
