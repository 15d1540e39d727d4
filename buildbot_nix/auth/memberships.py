"""Who is still a member, and still called so: asked from time to time, so that leaving counts."""

from __future__ import annotations

import time
from typing import ClassVar

from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet.task import LoopingCall
from twisted.python import log

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import ForgeRepository, Plan, Standing
from buildbot_nix.auth.sessions import Sessions
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.forges import ForgeService
from buildbot_nix.state.sessions import StoredSession

#: Seconds for which what was said is believed.
BELIEVED = 600
#: Seconds between looks for sessions that have to be asked after.
INTERVAL = 60


class Memberships(BuildbotService):
    """Asks forges what users are called, and whether they are in the organisations that own
    projects, and in the teams that count.

    Nothing else counts, so nothing else is asked. What an OpenID Connect provider said holds until
    the session ends: only the user can make it say more.
    """

    SERVICE_NAME: ClassVar[str] = "nix-memberships"

    name = SERVICE_NAME

    def checkConfig(self, plan: Plan) -> None:
        pass

    @async_to_deferred
    async def reconfigService(self, plan: Plan) -> None:  # type: ignore[override]
        await super().reconfigService()
        self._plan = plan
        #: One repository of each owner, by forge and owner.
        self._repositories: dict[str, dict[str, ForgeRepository]] = {}
        for project in plan.projects:
            repository = project.repository
            if repository is not None:
                of_forge = self._repositories.setdefault(repository.forge.word, {})
                of_forge.setdefault(repository.owner, repository)

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        self._loop = LoopingCall(self._look)
        self._loop.clock = self.master.reactor
        self._loop.start(INTERVAL, now=False)

    @async_to_deferred
    async def stopService(self) -> None:
        self._loop.stop()
        await super().stopService()

    @async_to_deferred
    async def _look(self) -> None:
        sessions = Sessions.find(self.master)
        for session in sessions.due(int(time.time()) - BELIEVED):
            repositories = list(self._repositories.get(session.provider, {}).values())
            if not repositories:
                continue
            try:
                sessions.checked(session, await self._standing(session, repositories))
            except BuildbotNixError as error:
                # While the forge is away, what it said last holds.
                log.msg(f"buildbot-nix: where {session.login} is a member: {error}")
            except Exception:
                log.err(None, "while asking for memberships")

    async def _standing(
        self, session: StoredSession, repositories: list[ForgeRepository]
    ) -> Standing | None:
        forges = ForgeService.find(self.master)
        return await in_thread(forges.standing, self._plan, session.id, repositories)
