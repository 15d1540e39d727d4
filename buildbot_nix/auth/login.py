"""The pages `auth/login` and `auth/logout`, and the picture of who is logged in.

What is said to providers, and what their answers mean, is in Rust (``Logins``).
"""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urlencode

from buildbot.util import bytes2unicode
from buildbot.util.twisted import async_to_deferred
from buildbot.www.auth import AuthBase, LoginResource, LogoutResource
from buildbot.www.avatar import AvatarBase
from buildbot.www.resource import Redirect
from twisted.python import log
from twisted.web.pages import forbidden
from twisted.web.resource import IResource
from twisted.web.server import Request

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Logins
from buildbot_nix.auth.sessions import Sessions
from buildbot_nix.errors import LoginError, LoginUnavailableError

#: Ties a log-in to the browser in which it began.
COOKIE = b"buildbot_nix_login"
#: Seconds that it may take, see ``Logins.begin``.
COOKIE_AGE = 900

ICONS = {"github": "fa-github"}


class Login(AuthBase):
    """Logging in with one of several providers."""

    def __init__(self, providers: list[tuple[str, str]]) -> None:
        super().__init__()
        self._providers = providers

    def getLoginResource(self) -> LoginResource:
        return LoginPage(self.master)

    def getConfigDict(self) -> dict[str, Any]:
        """For the button."""
        titles = [title for _, title in self._providers]
        names = [name for name, _ in self._providers]
        icon = ICONS.get(names[0], "") if len(names) == 1 else ""
        return {
            "name": " or ".join(titles),
            "oauth2": True,
            "fa_icon": icon,
            "autologin": False,
        }


class LoginPage(LoginResource):
    """Sends browsers to a provider, and takes them back."""

    isLeaf = True

    @property
    def _logins(self) -> Logins:
        logins = Sessions.find(self.master).logins
        assert logins is not None, "there is a page for it, so there is something to log in with"
        return logins

    @async_to_deferred
    async def renderLogin(  # type: ignore[override]  # its caller sends what it returns
        self, request: Request
    ) -> bytes:
        request.setHeader(b"cache-control", b"no-store")
        try:
            if argument(request, "state"):
                await self._finish(request)
            provider = argument(request, "provider")
            providers = [name for name, _ in self._logins.providers]
            if len(providers) == 1:
                provider = providers[0]
            if provider in providers:
                await self._begin(request, provider)
        except LoginError as error:
            log.msg(f"buildbot-nix: log-in failed: {error}")
            status = 502 if isinstance(error, LoginUnavailableError) else 403
            return self._page(request, status, str(error))
        return self._page(request, 200, None)

    async def _begin(self, request: Request, provider: str) -> None:
        redirect = argument(request, "redirect")
        url, cookie = await in_thread(self._logins.begin, provider, redirect)
        self._set_cookie(request, cookie, COOKIE_AGE)
        raise Redirect(url)

    async def _finish(self, request: Request) -> None:
        cookie = bytes2unicode(request.getCookie(COOKIE)) or ""
        details = await in_thread(
            self._logins.finish,
            cookie,
            argument(request, "state"),
            argument(request, "code"),
            argument(request, "error_description") or argument(request, "error"),
        )
        self._set_cookie(request, "", 0)
        session = request.getSession()
        # A key of its own for each log-in: nobody can have planted it before.
        session.expire()
        session.key = Sessions.find(self.master).begin(details)
        session.updateSession(request)
        log.msg(f"buildbot-nix: {details.provider}:{details.login} logged in")
        raise Redirect(f"{self.master.config.buildbotURL}#{details.redirect}")

    def _set_cookie(self, request: Request, value: str, age: int) -> None:
        request.addCookie(
            COOKIE,
            value.encode(),
            path=b"/",
            max_age=str(age).encode(),
            secure=self.master.config.buildbotURL.startswith("https:"),
            httpOnly=True,
            sameSite=b"lax",
        )

    def _page(self, request: Request, status: int, problem: str | None) -> bytes:
        request.setResponseCode(status)
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        request.setHeader(b"content-security-policy", POLICY)
        redirect = argument(request, "redirect")
        links = "".join(
            f"<p><a class='provider' "
            f"href='?{html.escape(urlencode({'provider': name, 'redirect': redirect}))}'>"
            f"Log in with {html.escape(title)}</a></p>"
            for name, title in self._logins.providers
        )
        said = f"<p role='alert'>{html.escape(problem)}</p>" if problem else ""
        home = html.escape(self.master.config.buildbotURL)
        title = html.escape(self.master.config.title)
        return PAGE.format(title=title, said=said, links=links, home=home).encode()


#: No script, and nothing from elsewhere.
POLICY = b"default-src 'none'; style-src 'unsafe-inline'"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Log in - {title}</title><style>
body {{ font-family: sans-serif; max-width: 24em; margin: 4em auto; padding: 0 1em; }}
a {{ color: #1b5eb8; }}
.provider {{ display: block; padding: .8em; border-radius: .3em; text-align: center;
  text-decoration: none; background: #30426a; color: #fff; }}
.provider:hover, .provider:focus {{ background: #1b263d; }}
[role=alert] {{ border-left: 4px solid #c22; padding: .5em 1em; }}
</style></head>
<body><h1>{title}</h1>{said}{links}<p><a href="{home}">Back, without logging in</a></p></body>
</html>
"""


class ProxyLogin(AuthBase):
    """A reverse proxy logs users in; who it is comes with every request."""

    def getLoginResource(self) -> IResource:
        return forbidden(message="The proxy in front of this Buildbot logs users in.")

    def getLogoutResource(self) -> LogoutResource:
        return ProxyLogout(self.master)

    def getConfigDict(self) -> dict[str, Any]:
        return {"name": "the proxy", "oauth2": False, "fa_icon": "", "autologin": False}


class ProxyLogout(LogoutResource):
    """The proxy has the session. The path is that of oauth2-proxy."""

    def render_GET(self, request: Request) -> bytes:
        request.redirect(self.master.config.buildbotURL.encode() + b"oauth2/sign_out")
        return b""


class SessionAvatar(AvatarBase):
    """The picture that a provider has of somebody who is logged in; a letter for all others, about
    whom nobody else is asked."""

    name = "nix-session"

    @async_to_deferred
    async def getUserAvatar(
        self, email: bytes, username: bytes | None, size: int, defaultAvatarUrl: str
    ) -> tuple[bytes, bytes]:
        assert self.master is not None
        name = (username or b"").decode(errors="replace")
        url = Sessions.find(self.master).avatar(name)
        if url.startswith(("https://", "http://")):
            raise Redirect(url)
        shown = name.rpartition(":")[2] or email.decode(errors="replace")
        letter = next(filter(str.isalnum, shown), "?").upper()
        return b"image/svg+xml", LETTER.format(letter=html.escape(letter)).encode()


#: A picture of somebody of whom there is none.
LETTER = """<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 32 32">
<rect width="32" height="32" fill="#6c757d"/>
<text x="16" y="22" font-family="sans-serif" font-size="18" fill="#fff"
 text-anchor="middle">{letter}</text>
</svg>"""


def argument(request: Request, name: str) -> str:
    """A parameter of the query; empty if it is not there, or no text."""
    values = (request.args or {}).get(name.encode(), [])
    try:
        return values[0].decode() if values else ""
    except UnicodeDecodeError:
        return ""
