"""What the workers of one machine share: its build slots, its store, its memory for evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from buildbot.master import BuildMaster
from buildbot.process.workerforbuilder import WorkerForBuilder
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred

from buildbot_nix.admission import Admission
from buildbot_nix.feed import Feed
from buildbot_nix.flights import Flights

if TYPE_CHECKING:
    from buildbot_nix.verdicts import FailedBuild


class Machine:
    """One machine; one that has left the configuration in mid-run keeps a slot."""

    def __init__(self) -> None:
        self.feed = Feed(1)
        self.flights: Flights[FailedBuild] = Flights()
        self.admission = Admission(1)
        #: Pairs of builder and worker that run a build.
        self.busy: set[WorkerForBuilder] = set()
        #: What there was when results of what is gone were last let go there.
        self.existing: str | None = None


class Machines(BuildbotService):
    """All machines, by name. A service, so that runs go on with the same ones when the master is
    reconfigured."""

    SERVICE_NAME: ClassVar[str] = "nix-machines"

    name = SERVICE_NAME

    def checkConfig(self, slots: dict[str, int], evaluations: int) -> None:
        pass

    @async_to_deferred
    async def reconfigService(  # type: ignore[override]
        self, slots: dict[str, int], evaluations: int
    ) -> None:
        await super().reconfigService()
        self._machines: dict[str, Machine] = getattr(self, "_machines", {})
        for name, count in slots.items():
            machine = self._of(name)
            machine.feed.set_slots(count)
            machine.admission.set_places(evaluations)

    def _of(self, name: str) -> Machine:
        return self._machines.setdefault(name, Machine())

    @classmethod
    def find(cls, master: BuildMaster, name: str) -> Machine:
        """The machine called ``name``."""
        service: Machines = master.service_manager.namedServices[cls.SERVICE_NAME]
        return service._of(name)
