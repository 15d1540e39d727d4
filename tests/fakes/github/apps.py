"""GitHub Apps: their key, their installations, and the rules for their JWTs.

Rules: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.model import Account, Hook, Repository
from tests.fakes.server import ApiError

#: What the documentation tells an administrator to give the App.
PERMISSIONS = {
    "checks": "write",
    "contents": "read",
    "issues": "read",
    "members": "read",
    "metadata": "read",
    "pull_requests": "read",
    "repository_hooks": "write",
    "statuses": "write",
}
#: Events of an App that need no permission; the others come with the App's subscription.
ALWAYS_SENT = ["installation", "installation_repositories"]
#: Seconds that a JWT may at most be valid from now on.
LONGEST = 600


@dataclass(eq=False)
class App:
    """An App, as its owner has registered it."""

    id: int
    slug: str
    name: str
    owner: Account
    created: datetime
    permissions: dict[str, str]
    events: list[str]
    #: Its private key in PEM.
    key: str
    #: The App's own webhook, if it has one.
    hook: Hook | None = None

    @property
    def client_id(self) -> str:
        """What may stand for its number."""
        return f"Iv23li{self.id:014d}"


@dataclass(eq=False)
class Installation:
    """An App in an account."""

    id: int
    app: App
    account: Account
    created: datetime
    permissions: dict[str, str]
    #: Ids of the repositories that were chosen; none: all, also those to come.
    repositories: set[int] | None = None
    suspended: datetime | None = None

    def includes(self, repository: Repository) -> bool:
        """Whether the App may see the repository."""
        if repository.owner is not self.account:
            return False
        return self.repositories is None or repository.id in self.repositories


def new_key() -> str:
    """A private key as GitHub makes them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return encoded.decode()


def app_of(token: str, apps: dict[int, App], now: datetime) -> App:
    """The App that a JWT proves to be. Raises :class:`ApiError` in GitHub's words."""
    try:
        if jwt.get_unverified_header(token).get("alg") != "RS256":
            raise ApiError(401, "A JSON web token could not be decoded")
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise ApiError(401, "A JSON web token could not be decoded") from None
    issuer = str(claims.get("iss", ""))
    app = next((a for a in apps.values() if issuer in (str(a.id), a.client_id)), None)
    if app is None:
        raise ApiError(404, "Integration not found")
    try:
        jwt.decode(token, _public(app), ["RS256"], options={"verify_exp": False, **OFF})
    except jwt.PyJWTError:
        raise ApiError(401, "A JSON web token could not be decoded") from None
    _check_times(claims, now.timestamp())
    return app


#: GitHub judges the claims by its own rules and clock.
OFF = {"verify_iat": False, "verify_nbf": False, "verify_aud": False, "verify_iss": False}


def _check_times(claims: dict[str, Any], now: float) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(expires, int) or expires <= now:
        raise ApiError(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future "
            "time at which the assertion expires",
        )
    if expires > now + LONGEST:
        raise ApiError(401, "'Expiration time' claim ('exp') is too far in the future")
    if not isinstance(issued, int) or issued > now:
        raise ApiError(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the "
            "assertion was issued",
        )


def _public(app: App) -> Any:
    key = serialization.load_pem_private_key(app.key.encode(), None)
    return key.public_key()
