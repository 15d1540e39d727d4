"""What goes out through REST, the event stream and the websocket, and who is on the other end.

Buildbot asks its ``Authz`` about each request, but not about what is in a list, nor about events.
It makes these classes itself and takes no others, so :func:`install` puts ours in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from buildbot.data.base import Endpoint, EndpointKind, ListResult
from buildbot.data.exceptions import InvalidPathError
from buildbot.data.resultspec import ResultSpec
from buildbot.util import bytes2unicode
from buildbot.util.twisted import async_to_deferred
from buildbot.www import auth as www_auth
from buildbot.www import config, rest, service, sse, ws
from twisted.internet import defer
from twisted.python import log
from twisted.web.pages import notFound
from twisted.web.resource import IResource
from twisted.web.server import Request

from buildbot_nix._native import Action, User
from buildbot_nix.auth.authz import ACTIONS, Authorizer, name_of, user_of
from buildbot_nix.rebuild import rebuild

#: Of the cookie's claims.
KEY = "nix_session"
#: Where Buildbot's plugin has pictures of how builders are.
BADGES = [b"plugins", b"badges"]
#: Where an event's path names the type of the thing: before its number and what happened.
TYPE_PART = -3


def install() -> None:
    """Buildbot uses the classes here from now on; for a master without :class:`Authorizer` they
    do what Buildbot's do."""
    rest.RestRootResource.addApiVersion(2, Rest)
    sse.Consumer = Consumer  # type: ignore[misc]
    ws.WsProtocol = WebSocket  # type: ignore[misc]
    config.IndexResource = Index  # type: ignore[assignment,misc]
    service.BuildbotSite = Site  # type: ignore[misc]
    service.BuildbotSession = Session  # type: ignore[misc]


def authorizer(master: Any) -> Authorizer | None:
    """The one that is configured; none if master.cfg has put another in its place."""
    authz = getattr(master.www, "authz", None)
    return authz if isinstance(authz, Authorizer) else None


class Site(service.BuildbotSite):
    """Everything that is reached by HTTP, but workers."""

    def getResourceFor(self, request: Any) -> IResource:
        authz = authorizer(self.master)
        if authz is not None and authz.gate is not None:
            # Sessions need to know, and Twisted tells them only below.
            request.site = self
            request.sitepath = list(request.prepath)
            refusal = authz.gate.refusal(request)
            if refusal is not None:
                return refusal
        folder, names = request.postpath[: len(BADGES)], request.postpath[len(BADGES) :]
        if folder == BADGES and authz is not None and not authz.shows_badge(names):
            return notFound()
        return cast(IResource, super().getResourceFor(request))


class Session(service.BuildbotSession):
    """Who a browser is. Its cookie holds a key, and what that means is kept by the master, so that
    logging out ends it everywhere."""

    site: Any
    #: What the cookie holds; None if nobody has logged in.
    key: str | None = None

    def _set_user_info_from_token(self, token: str) -> None:
        super()._set_user_info_from_token(token)
        authz = authorizer(self.site.master)
        if authz is not None:
            key = self.user_info.get(KEY)
            self.key = key if isinstance(key, str) else None
            self.user_info = authz.sessions.user_info(self.key)

    @property
    def uid(self) -> str:
        """The cookie."""
        if authorizer(self.site.master) is None:
            return super().uid
        # Signed as Buildbot does it, but with the key alone.
        shown, self.user_info = self.user_info, {KEY: self.key}
        try:
            return super().uid
        finally:
            self.user_info = shown

    def updateSession(self, request: Any) -> None:
        """Sends the cookie, which scripts cannot read and other sites cannot use."""
        name = www_auth.build_cookie_name(request.isSecure(), request.sitepath)
        is_https = self.site.master.config.buildbotURL.startswith("https:")
        request.addCookie(
            name, self.uid, path=b"/", secure=is_https, httpOnly=True, sameSite=b"lax"
        )

    def expire(self) -> None:
        authz = authorizer(self.site.master)
        if authz is not None:
            authz.sessions.end(self.key)
        self.key = None
        super().expire()


class Index(config.IndexResource):
    """Buildbot's page, which says why something is refused."""

    def __init__(self, master: Any, static_folder: str) -> None:
        super().__init__(master, static_folder)
        script = Path(__file__).with_name("refusals.js").read_text()
        self.index_template = self.index_template.replace(
            "</body>", f"<script>\n{script}</script>\n</body>"
        )


class Rest(rest.V2RootResource):
    """The REST interface."""

    @defer.inlineCallbacks
    def getEndpoint(self, request: Request, method: str, params: dict[str, Any]) -> Any:
        endpoint, arguments = yield super().getEndpoint(request, method, params)
        authz = authorizer(self.master)
        if authz is not None:
            user = self.master.www.getUserInfos(request)
            endpoint = Personal(endpoint, authz, user)
        return endpoint, arguments


class Personal:
    """An endpoint as it is for somebody: it gives only what they may see, and what they do there
    says that it was them."""

    def __init__(self, endpoint: Endpoint, authz: Authorizer, user: Mapping[str, Any]) -> None:
        self._endpoint = endpoint
        self._authz = authz
        self._user = user_of(user)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._endpoint, name)

    def __repr__(self) -> str:
        return repr(self._endpoint)

    @async_to_deferred
    async def control(self, action: str, args: dict[str, Any], arguments: dict[str, Any]) -> Any:
        name, action = type(self._endpoint).__name__, action.lower()
        who = name_of(self._user)
        what = ACTIONS.get((name, action))
        if what == Action.Force:
            # Buildbot takes the mail address, which may be anybody's.
            args["owner"] = who
        elif what == Action.Restart:
            build = await self._endpoint.get(ResultSpec(), arguments)
            if build is None:
                raise InvalidPathError(f"there is no such build: {arguments}")
            return await rebuild(self._authz.master, build["buildid"], who)
        return await self._endpoint.control(action, args, arguments)

    @async_to_deferred
    async def get(self, result_spec: Any, arguments: dict[str, Any]) -> Any:
        data = await self._endpoint.get(result_spec, arguments)
        if not self._authz.filters:
            return data
        kind = self._endpoint.rtype.name
        if data is None or self._endpoint.kind in (EndpointKind.RAW, EndpointKind.RAW_INLINE):
            # Found by its path, which was asked about.
            return data
        if self._endpoint.kind == EndpointKind.SINGLE:
            return data if await self._sees(kind, data, arguments) else None
        seen = [record for record in data if await self._sees(kind, record, arguments)]
        if not isinstance(data, ListResult):
            return seen
        # How many there are in all would tell of those that are not seen.
        total = data.total if len(seen) == len(data) else None
        return ListResult(seen, offset=data.offset, total=total, limit=data.limit)

    async def _sees(self, kind: str, record: Any, arguments: Mapping[str, Any]) -> bool:
        if not isinstance(record, dict) or (kind in OF_THEIR_PATH and arguments):
            return True
        return await self._authz.sees(self._user, kind, record)


#: What events call their type, and what the interface does.
KINDS = {
    "branches": "branch",
    "builders": "builder",
    "buildrequests": "buildrequest",
    "builds": "build",
    "buildsets": "buildset",
    "changes": "change",
    "codebases": "codebase",
    "commits": "commit",
    "logs": "log",
    "masters": "master",
    "projects": "project",
    "schedulers": "scheduler",
    "steps": "step",
    "test_result_sets": "test_result_set",
    "workers": "worker",
}
#: Types whose records do not say what they belong to; only the path does.
OF_THEIR_PATH = frozenset({"property", "_property", "build_data", "commit_graph"})


class Consumer(sse.Consumer):
    """The event stream of somebody."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._lock = defer.DeferredLock()

    def onMessage(self, event: list[str], data: Any) -> None:
        master = cast(Site, self.request.site).master
        authz = authorizer(master)
        if authz is None or not authz.filters:
            super().onMessage(event, data)
            return
        sent = self._filtered(authz, event, data)
        sent.addErrback(lambda failure: log.err(failure, "while sending an event"))

    @async_to_deferred
    async def _filtered(self, authz: Authorizer, event: list[str], data: Any) -> None:
        await self._lock.acquire()
        try:
            # Looked at for each event: the session may have ended.
            user = user_of(self.request.getSession().user_info)
            if await sees_event(authz, user, event, data) and not self.request.finished:
                super().onMessage(event, data)
        finally:
            self._lock.release()


class WebSocket(ws.WsProtocol):
    """The websocket of somebody's browser, by which Buildbot's pages hear what happens."""

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self._lock = defer.DeferredLock()
        self._token: str | None = None
        self._proxied: dict[str, Any] | None = None

    @defer.inlineCallbacks
    def onConnect(  # type: ignore[override]  # Buildbot's returns a Deferred as well
        self, request: ConnectionRequest
    ) -> Any:
        yield super().onConnect(request)
        cookies = ws.parse_cookies(request.headers.get("cookie", ""))
        name = www_auth.build_cookie_name(self.is_secure(), ws.get_ws_sitepath(request.path))
        self._token = cookies.get(name.decode())
        authz = authorizer(self.master)
        if authz is not None and authz.gate is not None:
            # The site has let it in; only who it is remains to be found out.
            self._proxied = authz.gate.user_info(request.headers.get("authorization", ""))
            if self._proxied is None:
                raise ConnectionDeny(403, "Forbidden")

    def send_json_message(self, **msg: Any) -> defer.Deferred[None]:
        authz = authorizer(self.master)
        if "k" not in msg or authz is None or not authz.filters:
            return super().send_json_message(**msg)
        return self._filtered(authz, msg)

    @async_to_deferred
    async def _filtered(self, authz: Authorizer, msg: dict[str, Any]) -> None:
        await self._lock.acquire()
        try:
            user = user_of(self._user_info())
            event = msg["k"].split("/")
            if await sees_event(authz, user, event, msg["m"]):
                super().send_json_message(**msg)
        finally:
            self._lock.release()

    def _user_info(self) -> Mapping[str, Any]:
        if self._proxied is not None:
            return self._proxied
        if self._token is None:
            return www_auth.build_anonymous_user_info()
        try:
            site: Any = self.master.www.site
            return Session(site, self._token).user_info
        except KeyError:
            return www_auth.build_anonymous_user_info()


async def sees_event(authz: Authorizer, user: User | None, event: list[str], message: Any) -> bool:
    """Whether ``user`` may see an event of Buildbot's message queue."""
    path = [bytes2unicode(part) for part in event]
    if len(path) < -TYPE_PART or not isinstance(message, dict):
        return await authz.sees(user, "unknown", {})
    # `builds/5/finished` and `builders/3/builds/7/finished` are both of builds.
    kind = KINDS.get(path[TYPE_PART], "unknown")
    return await authz.sees(user, kind, message)
