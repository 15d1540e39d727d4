"""The double of GitHub: who may do what, rate limits, Apps, and what is sent to whom."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from tests.fakes import oauth
from tests.fakes.deliveries import Delivery
from tests.fakes.faults import Window
from tests.fakes.forge import Call
from tests.fakes.github import events
from tests.fakes.github.api import ROUTES
from tests.fakes.github.apps import app_of
from tests.fakes.github.installations import Installations
from tests.fakes.github.views import Views
from tests.fakes.model import LEVELS, CheckRun, Hook, PullRequest, Repository, Token
from tests.fakes.server import Answer, ApiError, Request, json_answer
from tests.fakes.stories import Event, locked

#: Scopes of a personal token that stand for an App's permission, and what they lead to.
SCOPES = {
    "repository_hooks": {"admin:repo_hook", "write:repo_hook", "repo"},
    "statuses": {"repo:status", "repo"},
    "members": {"read:org", "write:org", "admin:org"},
}
#: Requests an hour.
HOURLY = 5000
#: Who pushes branches of merge queues.
QUEUE = "github-merge-queue[bot]"
#: Levels on the repository that a user needs for a permission.
NEEDED_LEVEL = {"repository_hooks": "admin", "statuses": "write", "checks": "write"}


class GitHub(Installations):
    """GitHub, with the addresses that it has as GitHub Enterprise."""

    name = "github"
    api_path = "/api/v3"
    routes = ROUTES
    document = "github.json"
    webhooks = events.WEBHOOKS

    def __init__(self, **options: Any) -> None:
        self.requests_left = HOURLY
        #: What requests that make something are limited to; none: not at all.
        self.secondary_limit: Window | None = None
        self.oauth = oauth.Provider(self.add_token, "gho_")
        super().__init__(**options)
        self.views = Views(self.url, self.api_url)

    def official_document(self) -> dict[str, Any]:
        document = super().official_document()
        # It demands that an account is a user and an enterprise, which its own example is not.
        answer = document["paths"]["/app/installations"]["get"]["responses"]["200"]
        items = {"$ref": "#/components/schemas/installation"}
        answer["content"]["application/json"]["schema"]["items"] = items
        return document

    def webhook_name(self, delivery: Delivery) -> str:
        action = f"-{delivery.action}" if delivery.action else ""
        return f"{delivery.event}{action}".replace("_", "-")

    # Merge queues and checks

    @locked
    def queue(self, pull: PullRequest) -> str:
        """Puts a pull request into the merge queue; returns the commit that is tested."""
        sha = self.make_merge(pull.base, pull.base_sha, pull.head_sha, pull.title)
        assert sha is not None, "it has a conflict"
        branch = f"gh-readonly-queue/{pull.base_branch}/pr-{pull.number}-{pull.base_sha}"
        with self.changing_refs(pull.base, QUEUE):
            pull.base.bare_git("update-ref", f"refs/heads/{branch}", sha)
        self._tell_merge_group(pull, sha, "checks_requested")
        return sha

    @locked
    def dequeue(self, pull: PullRequest, sha: str, *, merged: bool) -> None:
        """Takes it out of the merge queue: with success, or given up."""
        branch = f"gh-readonly-queue/{pull.base_branch}/pr-{pull.number}-{pull.base_sha}"
        reason = "merged" if merged else "dequeued"
        self._tell_merge_group(pull, sha, "destroyed", reason=reason)
        self.delete_branch(pull.base, branch, by=QUEUE)
        if merged:
            pull.merge_sha = sha
            self.merge(pull)

    def _tell_merge_group(self, pull: PullRequest, sha: str, action: str, **more: str) -> None:
        branch = f"gh-readonly-queue/{pull.base_branch}/pr-{pull.number}-{pull.base_sha}"
        facts = {
            "action": action,
            "head_sha": sha,
            "head_ref": f"refs/heads/{branch}",
            "base_sha": pull.base_sha,
            "base_ref": f"refs/heads/{pull.base_branch}",
            **more,
        }
        by = self.user(QUEUE)
        self.happened(Event("merge_group", pull.base, by, facts))

    def check_runs(self, repository: Repository, sha: str) -> dict[str, CheckRun]:
        """The newest check run of each name."""
        return {each.name: each for each in repository.check_runs if each.head_sha == sha}

    @locked
    def rerun(self, repository: Repository, run: CheckRun, by: str = "alice") -> None:
        """Presses the button "Re-run" of a check."""
        facts = {"action": "rerequested", "run": run}
        self.happened(Event("check_run", repository, self.user(by), facts))

    # Who it is, and what they may do

    def authenticate(self, request: Request) -> Token | None:
        if not request.headers.get("User-Agent"):
            raise ApiError(403, "Request forbidden by administrative rules.")
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        if not kind:
            return None
        if kind.lower() == "bearer" and text.count(".") == 2:
            return Token(text, None, app=app_of(text, self.apps, self.now()))
        if kind.lower() not in ("bearer", "token"):
            raise ApiError(401, "Bad credentials")
        return self._live_token(text)

    def _live_token(self, text: str) -> Token:
        token = self.tokens.get(text)
        if token is None or (token.expires is not None and token.expires <= self.now()):
            raise ApiError(401, "Bad credentials")
        if token.installation is not None and token.installation.suspended:
            raise ApiError(403, "This installation has been suspended")
        return token

    def git_token(self, request: Request) -> Token | None:
        password = oauth.basic(request)
        return self._live_token(password[1]) if password else None

    def check(self, call: Call) -> None:
        version = call.request.headers.get("X-GitHub-Api-Version")
        if version not in (None, "2022-11-28"):
            raise ApiError(400, f"{version} is not a supported version.")
        needs, token = call.route.needs, call.token
        if needs == "app":
            if token is None or token.app is None:
                raise ApiError(401, "A JSON web token could not be decoded")
        elif token is not None and token.app is not None:
            raise ApiError(401, "A JSON web token could not be decoded")
        elif needs is not None and token is None:
            raise ApiError(401, "Requires authentication")

    def check_permission(
        self, token: Token | None, permission: str, level: str, repository: Repository
    ) -> None:
        """Raises :class:`ApiError` if a token may not use a permission on a repository."""
        if self.level(token, repository) == "none":
            raise ApiError(404, "Not Found")
        if token is None:
            if level == "write" or permission not in ("contents", "metadata", "pull_requests"):
                raise ApiError(401, "Requires authentication")
            return
        if token.permissions is not None:
            if not self._is_for(token, repository) and permission != "metadata":
                raise ApiError(403, "Resource not accessible by integration")
            if LEVELS.index(token.permissions.get(permission, "none")) < LEVELS.index(level):
                raise ApiError(403, "Resource not accessible by integration")
            return
        if permission == "checks" and level == "write":
            raise ApiError(403, "You must authenticate via a GitHub App.")
        if not SCOPES.get(permission, token.scopes | {""}) & (token.scopes | {""}):
            raise ApiError(404, "Not Found")
        wanted = NEEDED_LEVEL.get(permission, "read")
        if LEVELS.index(repository.level_of(token.account)) < LEVELS.index(wanted):
            raise ApiError(404, "Not Found")

    def level(self, token: Token | None, repository: Repository) -> str:
        if token is None or token.installation is None:
            if token and repository.private and "repo" not in token.scopes:
                return "none"
            return super().level(token, repository)
        if repository.private and not self._is_for(token, repository):
            return "none"
        return "read"

    def git_level(self, token: Token | None, repository: Repository) -> str:
        if token is None or token.permissions is None or not self._is_for(token, repository):
            return self.level(token, repository)
        return str(token.permissions.get("contents", "none"))

    @staticmethod
    def _is_for(token: Token, repository: Repository) -> bool:
        """Whether a repository is one of those of an installation's token."""
        chosen = token.repositories
        if chosen is not None and repository.id not in chosen:
            return False
        return bool(token.installation.includes(repository))

    def canonical(self, path: str) -> str:
        """A repository is under its number, too, where former names lead to; and a ref's slashes
        are slashes of the path."""
        path = re.sub(r"(/git/ref/)(.+)$", lambda m: m[1] + quote(unquote(m[2]), safe=""), path)
        match = re.fullmatch(r"/repositories/(\d+)(/.*)?", path)
        found = self.repositories.get(int(match[1])) if match else None
        return f"/repos/{found.full_name}{match[2] or ''}" if match and found else path

    # Limits and errors

    def limit(self, request: Request) -> Answer | None:
        if self.requests_left <= 0:
            return self.error(ApiError(403, "API rate limit exceeded"))
        makes = request.method in ("POST", "PATCH", "PUT", "DELETE")
        if self.secondary_limit and makes and (seconds := self.secondary_limit.wait_for()):
            answer = self.error(ApiError(403, SECONDARY))
            answer.headers["Retry-After"] = str(int(seconds) + 1)
            return answer
        self.requests_left -= 1
        return None

    def decorate(self, request: Request, answer: Answer) -> Answer:
        answer.headers |= {
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": secrets.token_hex(8).upper(),
            "X-RateLimit-Limit": str(HOURLY),
            "X-RateLimit-Remaining": str(max(0, self.requests_left)),
            "X-RateLimit-Reset": str(int(time.time()) + 3600),
            "X-RateLimit-Used": str(HOURLY - self.requests_left),
            "X-RateLimit-Resource": "core",
            "Date": self.now().strftime("%a, %d %b %Y %H:%M:%S GMT"),
        }
        token = self.tokens.get(request.headers.get("Authorization", "").partition(" ")[2])
        if token is not None and token.account is not None:
            answer.headers["X-OAuth-Scopes"] = ", ".join(sorted(token.scopes))
        if request.method == "GET" and answer.status == 200:
            tag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
            if request.headers.get("If-None-Match") == tag:
                # It is free for who is known.
                self.requests_left += 1
                return Answer(304, b"", {**answer.headers, "ETag": tag})
            answer.headers["ETag"] = tag
        return answer

    def error(self, error: ApiError) -> Answer:
        where = {"documentation_url": "https://docs.github.com/rest"}
        answer = json_answer({"message": error.message, **error.more, **where}, error.status)
        answer.headers |= {"Date": self.now().strftime("%a, %d %b %Y %H:%M:%S GMT")}
        if "url" in error.more:
            answer.headers["Location"] = str(error.more["url"])
        if error.status == 401:
            answer.headers["WWW-Authenticate"] = 'Basic realm="GitHub"'
        return answer

    # Webhooks

    def describe(self, event: Event) -> Iterable[Delivery]:
        for name, payload in events.payloads(self.views, event):
            for hook in event.repository.hooks:
                if hook.active and (name in hook.events or "*" in hook.events):
                    yield Delivery(hook, name, payload)
            for app in self.apps.values():
                installation = self.installation_for(app, event.repository)
                if app.hook and installation and name in app.events:
                    number = {"id": installation.id, "node_id": ""}
                    yield Delivery(app.hook, name, {**payload, "installation": number})

    def ping(self, hook: Hook) -> None:
        """What a hook gets when it is made."""
        repository = hook.repository
        assert repository is not None
        payload = {
            "zen": "Speak like a human.",
            "hook_id": hook.id,
            "hook": self.views.hook(hook, None),
            "repository": self.views.repository(repository),
            "sender": self.views.account(repository.owner),
        }
        self.send(Delivery(hook, "ping", payload, repository=repository))

    def send(self, delivery: Delivery) -> None:
        delivery.id = self.new_id()
        self.compare_payload(delivery)
        self.deliveries.add(delivery)

    def sign(self, delivery: Delivery) -> dict[str, str]:
        signed: dict[str, str] = {}
        if secret := delivery.hook.secret.encode():
            for header, method in (("", "sha1"), ("-256", "sha256")):
                digest = hmac.new(secret, delivery.body, method).hexdigest()
                signed[f"X-Hub-Signature{header}"] = f"{method}={digest}"
        kind = "repository" if delivery.hook.repository else "integration"
        return {
            "User-Agent": "GitHub-Hookshot/0123abc",
            "Accept": "*/*",
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(delivery.hook.id),
            "X-GitHub-Hook-Installation-Target-Type": kind,
            **signed,
        }


SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)
