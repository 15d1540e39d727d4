"""Ten thousand statuses through GitHub's limit, with a clock that is turned by hand.

The service, its table and the native queue are the real ones; the forge is a function that counts
requests within a minute of that clock, and refuses what is too much.
"""

from __future__ import annotations

import time
import unittest
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any

from buildbot.test.fake import fakemaster
from buildbot.test.reactor import TestReactorMixin
from twisted.internet import defer
from twisted.trial.unittest import TestCase

from bench.instance import Options
from bench.report import Aim, heading, row
from buildbot_nix.errors import ForgeRateLimitedError
from buildbot_nix.outbox import Outbox
from buildbot_nix.state import State
from buildbot_nix.state.outbox import Letter, OutboxTable, Status

#: Requests a minute that the forge takes.
LIMIT = 80
#: Runs that begin and end at once.
RUNS = 200
PHASES = ("buildbot/nix-eval", "buildbot/nix-build")
#: Statuses of attributes that failed, of each run.
DETAILS = 46
#: Seconds from the beginning to the end of the runs.
BUILDING = 60
TITLES = [
    *("updates", "requests", "refused", "final states told after min", "all told after min"),
    *("CPU ms per update", "longest call ms"),
]


def statuses(_: Options) -> Iterator[str | Aim]:
    """All of it, in a database in memory."""
    result = unittest.TestResult()
    simulation = Simulation("simulate")
    with warnings.catch_warnings():
        # Buildbot's tests make errors of those of its libraries.
        warnings.simplefilter("ignore")
        simulation.run(result)
    for _, text in result.errors + result.failures:
        raise AssertionError(text)
    yield heading(TITLES)
    yield row(simulation.cells)
    finals = RUNS * len(PHASES)
    about = f"{simulation.updates} statuses, {LIMIT} a minute"
    yield Aim(f"{about}: {finals} final states", simulation.finals_after, finals / LIMIT + 1, "min")
    yield Aim(f"{about}: refused by the forge", simulation.forge.refused, 0)


class LimitedForge:
    """Takes so many requests a minute."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._recent: deque[float] = deque()
        self.refused = 0
        #: What it was told, with the time.
        self.told: list[tuple[float, Status]] = []

    def __call__(self, letter: Letter) -> None:
        now = self._clock.seconds()
        while self._recent and self._recent[0] <= now - 60:
            self._recent.popleft()
        if len(self._recent) >= LIMIT:
            self.refused += 1
            raise ForgeRateLimitedError("too many", None, 60.0)
        self._recent.append(now)
        self.told.append((now, letter.status))


class Simulation(TestReactorMixin, TestCase):
    """Buildbot's fake of a master needs a test around it."""

    @defer.inlineCallbacks
    def simulate(self) -> Generator[Any, Any, None]:
        self.setup_test_reactor()
        master = yield fakemaster.make_master(self, wantDb=True)
        self.forge = LimitedForge(self.reactor)
        self.patch(Outbox, "postman", lambda _: self.forge)
        outbox = Outbox(name=Outbox.SERVICE_NAME)
        yield outbox.setServiceParent(master)
        yield master.startService()
        self.addCleanup(master.stopService)
        table = OutboxTable(State.find(master))
        begun = time.process_time()
        self.longest = 0.0
        self.updates = 0
        for run in range(RUNS):
            yield self.tell(outbox, [status(run, phase, "pending") for phase in PHASES])
        self.advance(BUILDING)
        ended = self.reactor.seconds()
        for run in range(RUNS):
            details = [f"{PHASES[1]} attr{number}" for number in range(DETAILS)]
            yield self.tell(outbox, [status(run, each, "failure") for each in (*details, *PHASES)])
        while (yield table.waiting(None)):
            self.advance(60)
        spent = time.process_time() - begun
        finals = [
            at for at, told in self.forge.told if told.context in PHASES and told.state != "pending"
        ]
        assert len(finals) == RUNS * len(PHASES), "some final state was not told"
        self.finals_after = (max(finals) - ended) / 60
        all_after = (self.forge.told[-1][0] - ended) / 60
        self.cells = [
            *(self.updates, len(self.forge.told), self.forge.refused),
            *(f"{self.finals_after:.1f}", f"{all_after:.1f}"),
            *(f"{1000 * spent / self.updates:.1f}", f"{1000 * self.longest:.0f}"),
        ]

    def tell(self, outbox: Outbox, statuses: list[Status]) -> defer.Deferred[None]:
        self.updates += len(statuses)
        begun = time.process_time()
        told = outbox.tell(statuses)
        self.longest = max(self.longest, time.process_time() - begun)
        return told

    def advance(self, seconds: int) -> None:
        """Lets time pass."""
        self.reactor.pump([1.0] * seconds)


def status(run: int, context: str, state: str) -> Status:
    return Status(
        forge="github",
        repository="team/site",
        sha=f"{run:040x}",
        context=context,
        project="team/site",
        target="{}",
        state=state,
        description="12 built",
        url=f"http://ci.example/#/builders/1/builds/{run}",
        run=run,
        build=run,
        page=None,
        standing=None,
        changed_at=100,
    )
