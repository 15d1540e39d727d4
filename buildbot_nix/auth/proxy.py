"""A reverse proxy logs users in, and is the only way to this master."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any

from buildbot.util import bytes2unicode
from twisted.web.pages import forbidden
from twisted.web.resource import IResource
from twisted.web.server import Request

from buildbot_nix.auth.sessions import user_details

#: Forges come here without the proxy; what they send is signed.
OPEN = b"change_hook"


class ProxyGate:
    """Lets through what has the proxy's password, on every path but that of webhooks."""

    def __init__(self, password: str, provider: str) -> None:
        self._password = password.encode()
        #: Who vouches for the names that the proxy gives.
        self._provider = provider

    def refusal(self, request: Request) -> IResource | None:
        """What is answered instead, if a request did not come through the proxy."""
        if request.postpath and request.postpath[0] == OPEN:
            return None
        user = self.user_info(bytes2unicode(request.getHeader(b"authorization")) or "")
        if user is None:
            return forbidden(message="This Buildbot is reached through its proxy only.")
        # On every request, so that the interface for programs knows who it is as well.
        request.getSession().user_info = user
        return None

    def user_info(self, authorization: str) -> dict[str, Any] | None:
        """Who the proxy says it is, by HTTP's header `Authorization` (RFC 7617)."""
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, colon, password = base64.b64decode(credentials, validate=True).partition(b":")
            username = user.decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not colon or not username or not hmac.compare_digest(password, self._password):
            return None
        return user_details(self._provider, username, full_name=username, email="")
