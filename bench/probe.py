"""Runs inside the measured master: notes events, database statements and reactor stalls.

Also adds builders that do nothing, for comparison: ``bare-parent`` triggers a number of builds of
``bare`` as a plain Buildbot configuration would.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from buildbot.config.builder import BuilderConfig
from buildbot.process.buildstep import BuildStep
from buildbot.process.factory import BuildFactory
from buildbot.process.results import SUCCESS
from buildbot.schedulers.forcesched import ForceScheduler, IntParameter
from buildbot.schedulers.triggerable import Triggerable
from buildbot.steps.trigger import Trigger
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from sqlalchemy import event
from sqlalchemy.engine import Engine
from twisted.internet import task

#: Seconds between two looks at the clock; what a look is late by is a stall.
TICK = 0.02
#: Seconds between two lines of counters.
INTERVAL = 0.25


class Probe(BuildbotService):
    """Writes JSON lines to the file that ``BENCH_PROBE`` names."""

    name = "bench-probe"

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        self._file = open(os.environ["BENCH_PROBE"], "a", buffering=1)  # noqa: SIM115
        self._statements = 0
        self._stall = 0.0
        self._busy = 0.0
        self._last_tick = self._last_line = time.monotonic()
        self._last_cpu = time.process_time()
        event.listen(Engine, "after_cursor_execute", self._count)
        assert self.master is not None
        for kind, action in (("changes", "new"), ("builds", "new"), ("builds", "finished")):
            await self.master.mq.startConsuming(self._note, (kind, None, action))
        self._clock = task.LoopingCall(self._tick)
        self._clock.start(TICK)

    @async_to_deferred
    async def stopService(self) -> None:
        self._clock.stop()
        event.remove(Engine, "after_cursor_execute", self._count)
        self._file.close()
        await super().stopService()

    def _count(self, *_: Any) -> None:
        self._statements += 1

    def _note(self, key: tuple[str, ...], message: dict[str, Any]) -> None:
        self._write(event=f"{key[0]}.{key[2]}", builder=message.get("builderid"))

    def _tick(self) -> None:
        now, cpu = time.monotonic(), time.process_time()
        late = now - self._last_tick - TICK
        self._stall = max(self._stall, late)
        # As far as the master had the processor; else the machine had something else to do.
        self._busy = max(self._busy, min(late, cpu - self._last_cpu))
        self._last_tick, self._last_cpu = now, cpu
        if now - self._last_line >= INTERVAL:
            counters = {"statements": self._statements, "stall": self._stall, "busy": self._busy}
            self._write(event="counters", **counters)
            self._stall = self._busy = 0.0
            self._last_line = now

    def _write(self, **line: Any) -> None:
        line["time"] = time.time()
        self._file.write(json.dumps(line) + "\n")


class Nothing(BuildStep):
    """A step that does nothing, in the master."""

    name = "nothing"

    @async_to_deferred
    async def run(self) -> int:
        return SUCCESS


class TriggerMany(Trigger):  # type: ignore[misc]
    """Triggers as many builds of ``bare`` as the property ``count`` says."""

    def getSchedulersAndProperties(self) -> list[dict[str, Any]]:
        return [
            {
                "sched_name": "bare",
                "props_to_set": {"virtual_builder_name": f"bare-{number}"},
                "unimportant": False,
            }
            for number in range(int(self.getProperty("count")))
        ]


def install(config: dict[str, Any]) -> None:
    """Adds probe and bare builders to a master's configuration."""
    workers = [worker.workername for worker in config["workers"]]
    config["services"].append(Probe())
    config["builders"] += [
        BuilderConfig(
            name="bare",
            workernames=workers,
            factory=BuildFactory([Nothing()]),
            collapseRequests=False,
        ),
        BuilderConfig(
            name="bare-parent",
            workernames=workers,
            factory=BuildFactory([TriggerMany(schedulerNames=["bare"], waitForFinish=True)]),
        ),
    ]
    config["schedulers"] += [
        Triggerable(name="bare", builderNames=["bare"]),
        ForceScheduler(
            name="bare-force",
            builderNames=["bare-parent"],
            properties=[IntParameter(name="count", default=1)],
        ),
    ]
