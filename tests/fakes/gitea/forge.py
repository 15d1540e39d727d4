"""The double of Gitea and Forgejo: who may do what, and what is sent to whom."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from tests.fakes import oauth
from tests.fakes.deliveries import Delivery
from tests.fakes.forge import Call, Forge
from tests.fakes.gitea import events
from tests.fakes.gitea.api import ROUTES
from tests.fakes.gitea.views import Views
from tests.fakes.model import LEVELS, PullRequest, Repository, Token
from tests.fakes.server import Answer, ApiError, Request, json_answer
from tests.fakes.stories import Event, locked

#: What the documentation tells an administrator to give the token.
SCOPES = ["write:repository", "write:user", "read:organization", "read:issue"]


class Gitea(Forge):
    """Gitea or Forgejo, which say the same of what is here."""

    name = "gitea"
    api_path = "/api/v1"
    routes = ROUTES
    document = "forgejo.json"
    webhooks = sorted(events.documented())

    def __init__(self, **options: Any) -> None:
        self.oauth = oauth.Provider(self.add_token)
        super().__init__(**options)
        self.views = Views(self.url, self.api_url)

    def bot_token(self, login: str, *scopes: str) -> Token:
        """A token as the documentation tells to make one."""
        return self.personal_token(login, *(scopes or SCOPES))

    @locked
    def queue(self, pull: PullRequest) -> str:
        """What the program gitea-mq does; returns the commit that is tested."""
        sha = self.make_merge(pull.base, pull.base_sha, pull.head_sha, pull.title)
        assert sha is not None, "it has a conflict"
        with self.changing_refs(pull.base, "gitea-mq"):
            pull.base.bare_git("update-ref", f"refs/heads/gitea-mq/{pull.number}", sha)
        return sha

    @locked
    def dequeue(self, pull: PullRequest, sha: str, *, merged: bool) -> None:
        """Takes it out of the merge queue: with success, or given up."""
        self.delete_branch(pull.base, f"gitea-mq/{pull.number}", by="gitea-mq")
        if merged:
            pull.merge_sha = sha
            self.merge(pull)

    # Who it is, and what they may do

    def authenticate(self, request: Request) -> Token | None:
        password = oauth.basic(request)
        if password:
            return self._live_token(_from_basic(*password))
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        return self._live_token(text) if kind.lower() in ("token", "bearer") else None

    def _live_token(self, text: str) -> Token:
        token = self.tokens.get(text)
        if token is None or (token.expires is not None and token.expires <= self.now()):
            raise ApiError(401, "invalid username, password or token")
        return token

    def git_token(self, request: Request) -> Token | None:
        token = self.authenticate(request)
        writes = "git-receive-pack" in request.target
        if token and not has_scope(token, "write" if writes else "read", "repository"):
            raise ApiError(403, "token does not have the scope that git needs")
        return token

    def check(self, call: Call) -> None:
        if call.route.needs is None:
            return
        if call.token is None:
            if call.route.needs and call.request.method == "GET" and "user" not in call.route.needs:
                return
            raise ApiError(401, "token is required")
        level = "read" if call.request.method == "GET" else "write"
        if not all(has_scope(call.token, level, each) for each in call.route.needs):
            wanted = " ".join(f"{level}:{each}" for each in call.route.needs)
            raise ApiError(
                403, f"token does not have at least one of required scope(s): [{wanted}]"
            )

    def check_level(self, token: Token | None, repository: Repository, level: str) -> None:
        """Raises :class:`ApiError` if a token's owner may not do so much with a repository."""
        has = self.level(token, repository)
        if has == "none":
            raise ApiError(404, "The target couldn't be found.")
        if LEVELS.index(has) < LEVELS.index(level):
            if token is None:
                raise ApiError(401, "token is required")
            raise ApiError(403, REFUSALS[level])

    def error(self, error: ApiError) -> Answer:
        where = {"url": f"{self.url}/api/swagger"}
        more = {"errors": []} if error.status == 404 else {}
        answer = json_answer({**more, "message": error.message, **where}, error.status)
        if error.status == 401:
            answer.headers["WWW-Authenticate"] = 'Basic realm="Gitea"'
        if "location" in error.more:
            answer.headers["Location"] = str(error.more["location"])
        return answer

    def decorate(self, request: Request, answer: Answer) -> Answer:
        answer.headers |= {
            "Cache-Control": "max-age=0, private, must-revalidate, no-transform",
            "Date": self.now().strftime("%a, %d %b %Y %H:%M:%S GMT"),
        }
        return answer

    def canonical(self, path: str) -> str:
        """A branch's slashes are slashes of the path."""
        whole = r"(/repos/[^/]+/[^/]+/branches/)(.+)"
        return re.sub(whole, lambda m: m[1] + quote(unquote(m[2]), safe=""), path)

    # Comparing with the official document

    def official_document(self) -> dict[str, Any]:
        document = super().official_document()
        definitions = document["definitions"]
        # It is there for clients of older versions, and the document is silent about it.
        definitions["User"]["properties"]["username"] = {"type": "string"}
        for definition in definitions.values():
            # A field that the document does not know is a mistake of somebody's.
            if "properties" in definition:
                definition.setdefault("additionalProperties", False)
            # Prism takes the word for an address with a domain, Go's documents do not.
            for field in definition.get("properties", {}).values():
                if field.get("format") == "url":
                    field["format"] = "uri-reference"
        document["x-webhooks"] = events.documented()
        return document

    def to_compare(self, body: bytes) -> bytes:
        """Go writes null for what is not there, of which the document says nothing."""
        return json.dumps(_without_nulls(json.loads(body))).encode() if body else body

    # Webhooks

    def describe(self, event: Event) -> Iterable[Delivery]:
        for message in events.messages(self.views, event):
            for hook in event.repository.hooks:
                if hook.active and events.wants(hook.events, message.kind):
                    yield Delivery(hook, message.event, message.payload, message.kind)

    def sign(self, delivery: Delivery) -> dict[str, str]:
        secret, body = delivery.hook.secret.encode(), delivery.body
        sha1 = hmac.new(secret, body, hashlib.sha1).hexdigest() if secret else ""
        sha256 = hmac.new(secret, body, hashlib.sha256).hexdigest() if secret else ""
        headers = {"User-Agent": "Go-http-client/1.1"}
        # Each under the names that its ancestor and its rival have for it.
        for forge in ("Gitea", "Gogs", "GitHub"):
            headers |= {
                f"X-{forge}-Delivery": delivery.guid,
                f"X-{forge}-Event": delivery.event,
                f"X-{forge}-Event-Type": delivery.kind,
            }
        for forge in ("Gitea", "Gogs"):
            headers[f"X-{forge}-Signature"] = sha256
        return {
            **headers,
            "X-Hub-Signature": f"sha1={sha1}",
            "X-Hub-Signature-256": f"sha256={sha256}",
        }


REFUSALS = {
    "write": "user should have a permission to write to a repo",
    "admin": "user should be an owner or a collaborator with admin write of a repository",
}


def has_scope(token: Token, level: str, category: str) -> bool:
    """Whether a token may do that; who may write may read."""
    given = token.scopes
    if "all" in given or f"write:{category}" in given:
        return True
    return level == "read" and f"read:{category}" in given


def _from_basic(user: str, password: str) -> str:
    """The token may be the password, or the user's name without one."""
    return user if password in ("", "x-oauth-basic") else password


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return value
