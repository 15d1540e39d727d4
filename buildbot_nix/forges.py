"""The forges of a master. What is known of them, such as tokens, outlives a reconfiguration."""

from __future__ import annotations

from typing import ClassVar

from buildbot.master import BuildMaster
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Forges, Plan
from buildbot_nix.state import ForgeMemory, State


class ForgeService(BuildbotService):
    """Keeps the native handle, until the settings of forges are others."""

    SERVICE_NAME: ClassVar[str] = "nix-forges"

    name = SERVICE_NAME

    def checkConfig(self, plan: Plan) -> None:
        pass

    @async_to_deferred
    async def reconfigService(self, plan: Plan) -> None:  # type: ignore[override]
        await super().reconfigService()
        before: Forges | None = getattr(self, "forges", None)
        if before is None:
            memory = await self._memory.read() if plan.forges else None
            self.forges = Forges(plan, memory)
        elif not before.are_of(plan):
            self.forges = Forges(plan, await in_thread(before.memory))
            await in_thread(before.close)

    @async_to_deferred
    async def stopService(self) -> None:
        await super().stopService()
        await in_thread(self.forges.close)

    @async_to_deferred
    async def keep_memory(self) -> None:
        """So that it outlives the master, too."""
        await self._memory.keep(await in_thread(self.forges.memory))

    @property
    def _memory(self) -> ForgeMemory:
        return ForgeMemory(State.find(self.master))

    @classmethod
    def of(cls, master: BuildMaster) -> ForgeService:
        """That of ``master``."""
        service: ForgeService = master.service_manager.namedServices[cls.SERVICE_NAME]
        return service

    @classmethod
    def find(cls, master: BuildMaster) -> Forges:
        """The forges of ``master``."""
        return cls.of(master).forges
