"""What of Buildbot's configuration is about who may see and do what."""

from __future__ import annotations

import datetime
from typing import Any

from buildbot.util.service import BuildbotService
from buildbot.www import auth as www_auth
from buildbot.www.auth import NoAuth

from buildbot_nix._native import Plan
from buildbot_nix.auth.authz import Authorizer
from buildbot_nix.auth.login import Login, ProxyLogin, SessionAvatar
from buildbot_nix.auth.memberships import Memberships
from buildbot_nix.auth.proxy import ProxyGate
from buildbot_nix.auth.sessions import Sessions
from buildbot_nix.errors import ConfigError


def guard() -> None:
    """Has Buildbot use our sessions and filters, which fit its classes since 4.3."""
    if not hasattr(www_auth, "build_cookie_name"):
        raise ConfigError("`auth_backend` needs Buildbot 4.3 or later")
    from buildbot_nix.auth import web

    web.install()


class Access:
    """That of one plan. Reads files, so it may block."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._logins = plan.logins()
        password = plan.proxy_password()
        self._gate = ProxyGate(password, "proxy") if password is not None else None
        if self._logins is not None or self._gate is not None or plan.hides_private:
            guard()

    def www(self) -> dict[str, Any]:
        """Keys of ``c["www"]``."""
        return {
            "authz": Authorizer(self._plan, self._gate),
            "auth": self._auth(),
            "avatar_methods": [SessionAvatar()],
            "cookie_expiration_time": datetime.timedelta(seconds=self._plan.session_lifetime),
        }

    def _auth(self) -> Any:
        if self._gate is not None:
            return ProxyLogin()
        if self._logins is not None:
            return Login(self._logins.providers)
        return NoAuth()

    def services(self) -> list[BuildbotService]:
        """Among ``c["services"]``."""
        lifetime = self._plan.session_lifetime
        return [
            Sessions(lifetime=lifetime, logins=self._logins),
            Memberships(plan=self._plan),
        ]
