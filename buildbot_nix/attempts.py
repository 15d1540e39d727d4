"""One build is tried, perhaps several times: for an evaluation, or since somebody asked for it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import NamedTuple

from buildbot.process.log import StreamLog
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer

from buildbot_nix._native import OutcomeReader, Plan, Project
from buildbot_nix.agent import AgentCommand
from buildbot_nix.feed import Slot
from buildbot_nix.slots import StoppedError
from buildbot_nix.verdicts import Verdict

#: Seconds that Buildbot waits longer than the agent before it ends a build itself.
GRACE_SECONDS = 120
#: Folder in which agents run. They leave nothing in it.
WORKDIR = "build"


class Buildable(NamedTuple):
    """What an agent needs to know of a build."""

    drv_path: str
    attr: str
    #: What is known of the evaluated commit, which decides whether the result is kept.
    properties: dict[str, str]


def agent_command(
    plan: Plan, project: Project, build: Buildable, reader: OutcomeReader, log: StreamLog
) -> AgentCommand:
    """The agent that builds ``build``, and writes to ``log``."""
    command = plan.build_command(project.name, *build)
    remote = AgentCommand(
        workdir=WORKDIR,
        command=command,
        on_output=reader.feed,
        max_time=plan.build_timeout + GRACE_SECONDS,
    )
    log.addHeader(f"$ {shlex.join(command)}\n")
    remote.useLog(log)
    return remote


class Patience:
    """Tries again what failed by the fault of a machine, after a while."""

    def __init__(self, plan: Plan, slot: Slot) -> None:
        self._plan = plan
        self._slot = slot
        self._attempts = 0

    @async_to_deferred
    async def goes_on(self, verdict: Verdict, say: Callable[[str], object]) -> bool:
        """Whether there is another attempt after one that ended with ``verdict``, once it is time
        and there is a slot for it again. ``say`` is told for the log. Raises
        :class:`StoppedError`."""
        self._attempts += 1
        pause = self._plan.retry_pause(self._attempts) if verdict.may_pass else None
        if pause is None:
            return False
        say(
            f"Attempt {self._attempts} could not build it: {verdict.message}. "
            f"This may pass: attempt {self._attempts + 1} is in {pause} s."
        )
        try:
            await self._slot.rest(pause)
        except defer.CancelledError:
            say("Stopped while it waited for the next attempt.")
            raise StoppedError from None
        say(f"Attempt {self._attempts + 1}:")
        return True
