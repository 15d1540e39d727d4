"""Who is logged in. Kept in memory, where every request looks, and in the database."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from buildbot.master import BuildMaster
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log

from buildbot_nix._native import LoggedIn, Logins, Standing
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
            id=details.id,
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
        return user_details(
            session.provider,
            session.login,
            # Buildbot writes them into a script of its page as they are.
            full_name=session.full_name.replace("<", ""),
            email=session.email.replace("<", ""),
            id=session.id,
            memberships=session.memberships,
        )

    def avatar(self, username: str) -> str:
        """URL of the picture of somebody who is logged in; empty if there is none."""
        for session in self._known.values():
            if username == qualified(session.provider, session.login):
                return session.avatar
        return ""

    def end(self, key: str | None) -> None:
        """They have logged out."""
        session = self._of(key)
        if session is not None:
            self._end(session)

    def _end(self, session: StoredSession) -> None:
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

    def checked(self, session: StoredSession, standing: Standing | None) -> None:
        """What the provider says of them now; None if there is no such user any more."""
        if session.key not in self._known:
            return
        name = qualified(session.provider, session.login)
        if standing is None:
            log.msg(f"buildbot-nix: {name} is gone, their session ends")
            self._end(session)
            return
        if standing.login != session.login:
            log.msg(f"buildbot-nix: {name} is called {standing.login} now")
        now = int(time.time())
        self._keep(
            replace(
                session,
                login=standing.login,
                memberships=standing.memberships,
                checked_at=now,
            )
        )

    def _keep(self, session: StoredSession) -> None:
        self._known[session.key] = session
        watch(self._table.store(session), "while keeping a session")


def user_details(
    provider: str,
    login: str,
    *,
    full_name: str,
    email: str,
    id: str = "",
    memberships: Sequence[str] = (),
) -> dict[str, Any]:
    """A user as Buildbot describes them, with what the policy asks for."""
    return {
        "username": qualified(provider, login),
        "full_name": full_name,
        "email": email,
        "provider": provider,
        "login": login,
        "id": id,
        "memberships": list(memberships),
    }


def qualified(provider: str, login: str) -> str:
    """A name that is nobody else's."""
    return f"{provider}:{login}"


def watch(work: defer.Deferred[None], what: str) -> None:
    """Nobody waits for ``work``; if it fails, the log says so."""
    work.addErrback(lambda failure: log.err(failure, what))


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()
