"""Builds that failed before, as one run deals with them.

A run asks once for each batch of jobs that arrive; what comes of its builds is written in batches
too, one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from buildbot.master import BuildMaster
from buildbot.process.build import Build
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log

from buildbot_nix._native import FailureMemory, Plan
from buildbot_nix.agent import text_properties
from buildbot_nix.state import Failure, Failures, State

#: The property that makes an evaluation forget all failures of its project.
FORGET_PROPERTY = "nix_forget_failures"
#: Name of the rule that says for how long failures count.
RETENTION = "failures"


class Memory:
    """What one run, or the rebuild of one attribute, knows and learns."""

    @classmethod
    def of(cls, build: Build, plan: Plan, project: str) -> Memory | None:
        """That of ``build``; None if nothing is remembered."""
        assert build.master is not None
        mode = plan.failure_memory(project, text_properties(build), build.reason or "")
        return None if mode == FailureMemory.Off else cls(build.master, plan, project, mode)

    def __init__(self, master: BuildMaster, plan: Plan, project: str, mode: FailureMemory) -> None:
        self._project = project
        self._mode = mode
        self._failures = Failures(State.find(master), project)
        self._since = int(time.time()) - plan.retention[RETENTION]
        #: Derivations that have failed before and are tried again.
        self._doubted: set[str] = set()
        self._failed: list[Failure] = []
        self._recovered: list[str] = []
        self._writing: defer.Deferred[None] | None = None

    @async_to_deferred
    async def forget_all(self) -> None:
        """All of the project are tried again, by whatever run."""
        await self._failures.forget_all()

    @async_to_deferred
    async def look_up(self, derivations: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Which of them are not to be tried again: where that can be seen, and when it was."""
        found = await self._failures.of(derivations, self._since)
        if self._mode == FailureMemory.Heed:
            return {drv: (failure.url, failure.failed_at) for drv, failure in found.items()}
        self._doubted.update(found)
        return {}

    def is_doubted(self, derivation: str) -> bool:
        """Whether it was looked up, has failed before, and is tried again."""
        return derivation in self._doubted

    def failed(self, derivation: str, attr: str, url: str) -> None:
        """It need not be tried again."""
        now = int(time.time())
        self._failed.append(Failure(self._project, derivation, attr, url, now))
        self._write()

    def succeeded(self, derivation: str) -> None:
        """It works, after all."""
        if derivation in self._doubted:
            self._doubted.discard(derivation)
            self._recovered.append(derivation)
            self._write()

    @async_to_deferred
    async def written(self) -> None:
        """All of it is in the database."""
        while self._writing is not None and not self._writing.called:
            waiting: defer.Deferred[None] = defer.Deferred()
            self._writing.addBoth(waiting.callback)
            await waiting

    def _write(self) -> None:
        if self._writing is None or self._writing.called:
            self._writing = self._write_all()
            self._writing.addErrback(lambda failure: log.err(failure, "while remembering"))

    @async_to_deferred
    async def _write_all(self) -> None:
        while self._failed or self._recovered:
            failed, self._failed = self._failed, []
            recovered, self._recovered = self._recovered, []
            await self._failures.remember(failed)
            await self._failures.forget(recovered)
