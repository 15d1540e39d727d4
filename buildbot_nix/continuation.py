"""Runs that go on from their stored job set, without a second evaluation.

If the master, the worker or its machine is lost, Buildbot starts the evaluation's build once more
for the same build request. What the evaluation found is stored under that request, and what became
of it is in the records of the attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from buildbot.process.build import Build
from buildbot.process.builder import Builder
from buildbot.process.buildrequest import BuildRequest
from buildbot.util.eventual import fireEventually
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer

from buildbot_nix._bridge import in_thread
from buildbot_nix.agent import SLICE
from buildbot_nix.records.past import PastBuild, past_builds
from buildbot_nix.state import JobSet, JobSets, State
from buildbot_nix.state.job_sets import pack

#: Where a build keeps the job set from which it goes on.
ATTRIBUTE = "nix_job_set"
#: Bytes of lines that are stored in one row.
PIECE = 1 << 20
#: Times that a build is started, should its agent be killed.
LIVES = 3
#: Seconds that the machine which has the derivations may take to come back after a restart.
GRACE = 60


class Lines:
    """What the agent says, packed piece by piece while it comes."""

    def __init__(self) -> None:
        self._piece = bytearray()
        self._packed: list[defer.Deferred[bytes]] = []

    def add(self, data: bytes) -> None:
        self._piece += data
        if len(self._piece) >= PIECE:
            self._pack()

    @async_to_deferred
    async def slices(self) -> list[bytes]:
        """All of it, to be stored."""
        self._pack()
        return [await packed for packed in self._packed]

    def _pack(self) -> None:
        self._packed.append(in_thread(pack, bytes(self._piece)))
        self._piece.clear()


def continued(build: Build | None) -> JobSet | None:
    """The job set from which ``build`` goes on, if it does, after :func:`find_continued`."""
    return getattr(build, ATTRIBUTE, None)


@async_to_deferred
async def find_continued(build: Build) -> JobSet | None:
    """Finds out whether ``build`` goes on where an earlier one of its request was."""
    assert build.master is not None
    job_set: JobSet | None = await JobSets(State.find(build.master)).find(build.requests[0].id)
    if job_set is not None and job_set.machine == build.getProperty("nix_machine"):
        setattr(build, ATTRIBUTE, job_set)
    return continued(build)


async def may_start_again(build: Build) -> bool:
    """Whether ``build``, whose agent somebody has killed, is to be started once more: not for ever,
    since it may be itself who is too large."""
    assert build.master is not None
    rows = await build.master.db.builds.getBuilds(buildrequestid=build.requests[0].id)
    return len(rows) < LIVES


def run_number(build: Build) -> int:
    """The build after which what the run keeps on its machine is called."""
    job_set = continued(build)
    if job_set is not None:
        return job_set.build
    assert build.buildid is not None
    return build.buildid


@async_to_deferred
async def past_of(build: Build) -> list[PastBuild]:
    """What became of the attributes of ``build`` in earlier lives of its run."""
    assert build.master is not None
    past: list[PastBuild] = await State.find(build.master).do(past_builds, build.requests[0].id)
    return past


@async_to_deferred
async def replay(state: State, job_set: JobSet, take: Callable[[bytes], object]) -> None:
    """Gives ``take`` the lines of ``job_set`` as the agent said them, a little at a time."""
    for number in range(job_set.slices):
        content = await JobSets(state).read_slice(job_set.request, number)
        for start in range(0, len(content), SLICE):
            take(content[start : start + SLICE])
            await fireEventually()


class MachineChoice:
    """Chooses workers for evaluations, as Buildbot's ``nextWorker``: for a run that goes on, of the
    machine with its derivations.

    ``machines`` has the machine of each worker; ``among`` chooses one of several.
    """

    def __init__(self, machines: dict[str, str], among: Callable[..., Any]) -> None:
        self._machines = machines
        self._among = among
        self._waited: set[int] = set()

    @async_to_deferred
    async def __call__(
        self, builder: Builder, workers: Iterable[Any], request: BuildRequest
    ) -> Any:
        workers = list(workers)
        master = builder.master
        assert master is not None
        job_set = await JobSets(State.find(master)).find(request.id)
        if job_set is not None and workers:
            there = [w for w in workers if self._machine_of(w) == job_set.machine]
            is_connected = any(self._machine_of(w) == job_set.machine for w in builder.workers)
            if there or is_connected:
                workers = there
            elif request.id not in self._waited and job_set.machine in self._machines.values():
                self._waited.add(request.id)
                master.reactor.callLater(
                    GRACE, master.botmaster.maybeStartBuildsForBuilder, builder.name
                )
                return None
        return self._among(builder, workers, request) if workers else None

    def _machine_of(self, worker: Any) -> str | None:
        return self._machines.get(worker.worker.name)
