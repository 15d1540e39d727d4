"""On which machine an evaluation runs. Its builds follow it: its store has their derivations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from buildbot.process.builder import Builder
from buildbot.process.workerforbuilder import WorkerForBuilder
from buildbot.worker.base import Worker

from buildbot_nix._native import MachineLoad, choose_machine
from buildbot_nix.machines import Machines


class Placement:
    """Of the builders of evaluations, given the machine of each worker."""

    def __init__(self, builders: Sequence[str], machines: Mapping[str, str]) -> None:
        self._builders = builders
        self._machines = machines

    def next_worker(
        self, project: str, builder: Builder, workers: Sequence[WorkerForBuilder], _request: object
    ) -> WorkerForBuilder | None:
        """One of the free ``workers`` for an evaluation of ``project``, as Buildbot asks for it."""
        assert builder.master is not None
        # The first of each machine.
        free = {self._machine(worker): worker for worker in reversed(workers)}
        evaluations = self._evaluations(builder)
        loads = []
        for name in free:
            machine = Machines.find(builder.master, name)
            loads.append(
                MachineLoad(
                    name,
                    slots=machine.feed.slots,
                    builds=machine.feed.taken,
                    places=machine.admission.places,
                    evaluations=evaluations[name],
                )
            )
        chosen = choose_machine(project, loads)
        return None if chosen is None else list(free.values())[chosen]

    def _evaluations(self, builder: Builder) -> Counter[str]:
        """How many there are by machine, those included that check out or wait for a place."""
        assert builder.master is not None
        builders = builder.master.botmaster.builders
        running = (name for name in self._builders if name in builders)
        return Counter(
            build.getProperty("nix_machine")
            for name in running
            for build in builders[name].building
        )

    def _machine(self, worker: WorkerForBuilder) -> str:
        return self._machines[cast(str, cast(Worker, worker.worker).workername)]
