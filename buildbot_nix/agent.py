"""Running the agent (``buildbot-nix eval`` and ``buildbot-nix build``) on a worker."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from buildbot.process.build import Build
from buildbot.process.buildstep import BuildStep
from buildbot.process.log import StreamLog
from buildbot.process.remotecommand import RemoteShellCommand
from buildbot.util.eventual import fireEventually
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log

from buildbot_nix.errors import BuildbotNixError

#: Seconds between asking the agent to stop and killing it. It needs a moment to end Nix.
TERM_SECONDS = 15
#: Bytes of output that are looked at in one turn of the reactor. Workers send less at once, but
#: nothing makes them.
SLICE = 64 << 10


class AgentCommand(RemoteShellCommand):
    """One agent call. What it prints on stdout is for ``on_output`` and never stored; what it
    prints on stderr is for people and becomes the log."""

    def __init__(
        self,
        *,
        workdir: str,
        command: Sequence[str],
        on_output: Callable[[bytes], None],
        max_time: float,
    ) -> None:
        super().__init__(
            workdir,
            list(command),
            # The agent watches for silence itself and knows better what silence means.
            timeout=None,
            maxTime=max_time,
            sigtermTime=TERM_SECONDS,
            logEnviron=False,
        )
        self._on_output = on_output
        self._said_something = False
        self._headers: list[str] = []
        #: Output that was not looked at yet, and the end of looking at it.
        self._untaken: deque[bytes] = deque()
        self._taking: defer.Deferred[None] | None = None
        #: The first thing that was wrong with the output.
        self.output_error: BuildbotNixError | None = None

    def _take(self, text: str) -> None:
        self._said_something = True
        data = text.encode()
        self._untaken.extend(data[at : at + SLICE] for at in range(0, len(data), SLICE))
        if self._taking is None or self._taking.called:
            self._taking = self._take_all()

    @async_to_deferred
    async def _take_all(self) -> None:
        while self._untaken:
            data = self._untaken.popleft()
            if self.output_error is None:
                try:
                    self._on_output(data)
                except BuildbotNixError as error:
                    self.output_error = error
            if self._untaken:
                await fireEventually()

    @async_to_deferred
    async def remoteComplete(self, maybeFailure: object) -> None:
        try:
            await super().remoteComplete(maybeFailure)
        finally:
            if self._taking is not None:
                await self._taking

    # Buildbot calls one of each pair, depending on its version.

    @async_to_deferred
    async def addStdout(self, data: str) -> None:
        self._take(data)

    @async_to_deferred
    async def add_stdout_lines(self, data: str, is_flushed: bool) -> None:
        self._take(data)

    @async_to_deferred
    async def addHeader(self, data: str) -> None:
        self._headers.append(data)

    @async_to_deferred
    async def add_header_lines(self, data: str) -> None:
        self._headers.append(data)

    @async_to_deferred
    async def addStderr(self, data: str) -> None:
        await super().addStdout(data)

    @async_to_deferred
    async def add_stderr_lines(self, data: str, is_flushed: bool) -> None:
        await super().add_stdout_lines(data, is_flushed)

    def headers(self) -> str:
        """What the worker says about starting and ending the command: of interest only if the
        agent itself said nothing."""
        return "" if self._said_something else "".join(self._headers)


@async_to_deferred
async def run_agent(
    step: BuildStep,
    command: Sequence[str],
    on_output: Callable[[bytes], None],
    *,
    max_time: float,
) -> AgentCommand:
    """Runs the agent in the build's folder, with the log ``stdio`` on ``step``."""
    assert step.build is not None
    remote = AgentCommand(
        workdir=step.build.workdir or "build",
        command=command,
        on_output=on_output,
        max_time=max_time,
    )
    stdio = cast(StreamLog, await step.addLog("stdio"))
    await stdio.addHeader(f"$ {shlex.join(command)}\n")
    remote.useLog(stdio)
    await step.runCommand(remote)
    if remote.headers():
        await stdio.addHeader(remote.headers())
    return remote


async def run_quietly(
    step: BuildStep, command: Sequence[str], *, max_time: float, stdin: str | None = None
) -> None:
    """Runs the agent without a log of its own, also on a step that was stopped. Only the master's
    log says that it failed."""
    assert step.build is not None
    remote = RemoteShellCommand(
        step.build.workdir or "build",
        list(command),
        timeout=None,
        maxTime=max_time,
        sigtermTime=TERM_SECONDS,
        logEnviron=False,
        collectStdout=True,
        collectStderr=True,
        initialStdin=stdin,
    )
    remote.worker = step.worker
    # So that it ends if the worker is lost.
    step.cmd = remote
    try:
        await remote.run(step, step.remote, step.build.builder.name or "")
    except Exception:
        log.err(None, f"while running {shlex.join(command)}")
    finally:
        step.cmd = None
    if remote.rc != 0:
        log.msg(f"{shlex.join(command)} ended with {remote.rc}: {remote.stdout}{remote.stderr}")


def text_properties(build: Build) -> dict[str, str]:
    """Properties of ``build`` that are texts."""
    properties = build.getProperties().asDict().items()
    return {name: value for name, (value, _) in properties if isinstance(value, str)}


def was_killed(remote: RemoteShellCommand) -> bool:
    """Whether a signal ended the agent. Workers call that -1."""
    return remote.rc in (None, -1)


def no_word(command: str, status: int | None) -> str:
    """What to say of an agent that ended without its last line. A worker runs a program that is
    not there as one that ends with status 1."""
    how = "was killed" if status is None else f"ended with status {status}"
    return f"`buildbot-nix {command}` {how} without a word: is it on the worker's `PATH`?"
