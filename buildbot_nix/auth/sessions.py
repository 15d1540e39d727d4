"""Who is logged in. Kept in memory, where every request looks, and in the database."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import replace
from typing import Any, ClassVar

from buildbot.master import BuildMaster
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log

from buildbot_nix._native import LoggedIn, Logins
from buildbot_nix.state import State
from buildbot_nix.state.sessions import SessionTable, StoredSession

#: Bytes of a key: what a browser's cookie has, and which means nothing by itself.
KEY_BYTES = 32


class Sessions(BuildbotService):
    """The sessions of one master."""

    SERVICE_NAME: ClassVar[str] = "nix-sessions"

    name = SERVICE_NAME

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._known: dict[str, StoredSession] = {}
        #: What users log in with; None if they do not.
        self.logins: Logins | None = None

    @classmethod
    def find(cls, master: BuildMaster) -> Sessions:
        """Those of ``master``."""
        service: Sessions = master.service_manager.namedServices[cls.SERVICE_NAME]
        return service

    def checkConfig(self, lifetime: int, logins: Logins | None) -> None:
        pass

    @async_to_deferred
    async def reconfigService(  # type: ignore[override]
        self, lifetime: int, logins: Logins | None
    ) -> None:
        """``lifetime`` is in seconds."""
        await super().reconfigService()
        self._lifetime = lifetime
        if self.logins is not None and logins is not None:
            logins.adopt(self.logins)
        self.logins = logins

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        self._table = SessionTable(State.find(self.master))
        for session in await self._table.all(int(time.time())):
            self._known.setdefault(session.key, session)

    def begin(self, details: LoggedIn) -> str:
        """Somebody has logged in; the key that their cookie is to hold."""
        key = secrets.token_urlsafe(KEY_BYTES)
        now = int(time.time())
        session = StoredSession(
            key=digest(key),
            provider=details.provider,
            login=details.login,
            full_name=details.full_name,
            email=details.email,
            avatar=details.avatar,
            memberships=details.memberships,
            checked_at=now,
            expires_at=now + self._lifetime,
        )
        self._keep(session)
        return key

    def user_info(self, key: str | None) -> dict[str, Any]:
        """Whose a key is, as Buildbot describes users. Pages get to know it, so the key is not in
        it."""
        session = self._of(key)
        if session is None:
            return {"anonymous": True}
        return {
            "username": session.login,
            # Buildbot writes them into a script of its page as they are.
            "full_name": session.full_name.replace("<", ""),
            "email": session.email.replace("<", ""),
            "provider": session.provider,
            "memberships": session.memberships,
        }

    def avatar(self, login: str) -> str:
        """URL of the picture of somebody who is logged in; empty if there is none."""
        sessions = (session for session in self._known.values() if session.login == login)
        return next((session.avatar for session in sessions), "")

    def end(self, key: str | None) -> None:
        """They have logged out."""
        session = self._of(key)
        if session is not None:
            del self._known[session.key]
            watch(self._table.end(session.key), "while ending a session")

    def _of(self, key: str | None) -> StoredSession | None:
        session = self._known.get(digest(key)) if key is not None else None
        if session is not None and session.expires_at <= time.time():
            del self._known[session.key]
            return None
        return session

    def due(self, before: int) -> list[StoredSession]:
        """Those whose memberships were last asked for before a time."""
        return [session for session in self._known.values() if session.checked_at < before]

    def checked(self, session: StoredSession, memberships: list[str]) -> None:
        """The provider says that they are in these organisations now."""
        if session.key in self._known:
            now = int(time.time())
            self._keep(replace(session, memberships=memberships, checked_at=now))

    def _keep(self, session: StoredSession) -> None:
        self._known[session.key] = session
        watch(self._table.store(session), "while keeping a session")


def watch(work: defer.Deferred[None], what: str) -> None:
    """Nobody waits for ``work``; if it fails, the log says so."""
    work.addErrback(lambda failure: log.err(failure, what))


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()
