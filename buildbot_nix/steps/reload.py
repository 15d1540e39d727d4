"""The button ``Update projects``: looks at a forge now."""

from __future__ import annotations

from buildbot.process.buildstep import BuildStep
from buildbot.process.results import FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_nix._native import ForgeKind
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.projects import Projects


class Reload(BuildStep):
    """Needs a worker to be shown on, and nothing of it."""

    name = "reload projects"

    def __init__(self, forge: ForgeKind, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._forge = forge

    @async_to_deferred
    async def run(self) -> int:
        assert self.master is not None
        try:
            report = await Projects.find(self.master).look(self._forge, "somebody asked for it")
        except BuildbotNixError as error:
            await self.addCompleteLog("log", f"{error}\n")
            return FAILURE
        await self.addCompleteLog("log", f"{report}\n")
        return SUCCESS
