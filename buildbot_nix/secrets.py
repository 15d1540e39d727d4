"""Buildbot's secrets, when they are needed: read from files, or made by a forge."""

from __future__ import annotations

from buildbot.secrets.providers.base import SecretProviderBase
from buildbot.util.twisted import async_to_deferred

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Plan
from buildbot_nix.forges import ForgeService


class SettingsSecrets(SecretProviderBase):
    """Provides the secrets that rows of the plan refer to by name."""

    name = "buildbot-nix"

    def checkConfig(self, plan: Plan) -> None:
        pass

    @async_to_deferred
    async def reconfigService(self, plan: Plan) -> None:  # type: ignore[override]
        await super().reconfigService()
        self._plan = plan

    @async_to_deferred
    async def get(self, entry: str) -> str | None:
        return await in_thread(self._plan.read_secret, entry, ForgeService.find(self.master))
