"""Who is still a member: asked from time to time, so that leaving an organisation counts."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet.task import LoopingCall
from twisted.python import log

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import ForgeRepository, Plan
from buildbot_nix.auth.sessions import Sessions
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.forges import ForgeService
from buildbot_nix.state.sessions import StoredSession

#: Seconds for which what was said is believed.
BELIEVED = 600
#: Seconds between looks for sessions that have to be asked after.
INTERVAL = 60


class Memberships(BuildbotService):
    """Asks forges whether users are in the organisations that own projects.

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
        #: One repository of each organisation, by forge and name.
        self._organisations: dict[tuple[str, str], ForgeRepository] = {}
        for project in plan.projects:
            repository = project.repository
            if repository is not None and repository.is_of_organisation:
                key = (repository.forge.word, repository.owner)
                self._organisations.setdefault(key, repository)

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
            try:
                sessions.checked(session, await self._memberships(session))
            except BuildbotNixError as error:
                # While the forge is away, what it said last holds.
                log.msg(f"buildbot-nix: where {session.login} is a member: {error}")
            except Exception:
                log.err(None, "while asking for memberships")

    async def _memberships(self, session: StoredSession) -> list[str]:
        mine = [key for key in self._organisations if key[0] == session.provider]
        if not mine:
            return session.memberships
        forges = ForgeService.find(self.master)
        found: list[str] = []
        for key in mine:
            asked: Any = in_thread(forges.is_member, self._organisations[key], session.login)
            if await asked:
                found.append(key[1])
        return found
