"""What a forge knows: accounts, repositories, pull requests, hooks, tokens. Plain data.

Whatever changes it is in ``stories.py``; how it looks to clients is in each forge's ``views.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.repository import Repository as GitRepository

#: What somebody may do with a repository, from nothing upwards.
LEVELS = ["none", "read", "write", "admin"]
NO_COMMIT = "0" * 40


@dataclass(eq=False)
class Account:
    """A user, an organisation or a bot."""

    id: int
    login: str
    #: ``User``, ``Organization`` or ``Bot``.
    kind: str
    created: datetime
    name: str = ""
    email: str = ""
    site_admin: bool = False
    #: Members of an organisation, each ``member`` or ``admin``.
    members: dict[str, str] = field(default_factory=dict)
    teams: list[Team] = field(default_factory=list)

    @property
    def is_organization(self) -> bool:
        return self.kind == "Organization"


@dataclass(eq=False)
class Team:
    """A team of an organisation, with what it may do."""

    id: int
    name: str
    members: set[str]
    #: Level by the repository's id.
    repositories: dict[int, str] = field(default_factory=dict)


@dataclass(eq=False)
class Repository:
    """A repository. Its git repository is made when it is first needed."""

    id: int
    owner: Account
    name: str
    created: datetime
    folder: Path
    default_branch: str = "main"
    description: str = ""
    private: bool = False
    archived: bool = False
    disabled: bool = False
    topics: list[str] = field(default_factory=list)
    #: Levels of single users.
    collaborators: dict[str, str] = field(default_factory=dict)
    parent: Repository | None = None
    hooks: list[Hook] = field(default_factory=list)
    pulls: list[PullRequest] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    check_runs: list[CheckRun] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    pushed: datetime | None = None

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    @cached_property
    def git(self) -> GitRepository:
        made = GitRepository(self.folder, f"{self.id}")
        # Commits are asked for by hash, as forges allow it.
        made.git("--git-dir", str(made.bare), "config", "uploadpack.allowAnySHA1InWant", "true")
        made.git("--git-dir", str(made.bare), "config", "http.receivepack", "true")
        return made

    @property
    def is_empty(self) -> bool:
        return self.pushed is None

    def refs(self) -> dict[str, str]:
        """Commits of branches and tags, by full name."""
        text = self.bare_git(
            "for-each-ref",
            "--format=%(refname) %(objectname)",
            "refs/heads",
            "refs/tags",
        )
        return dict(line.split(" ", 1) for line in text.splitlines())

    def bare_git(self, *arguments: str) -> str:
        """Runs git where it is served from."""
        return self.git.git("--git-dir", str(self.git.bare), *arguments)

    def branch(self, name: str) -> str | None:
        """The commit that a branch is at."""
        return self.refs().get(f"refs/heads/{name}") if not self.is_empty else None

    def has_commit(self, sha: str) -> bool:
        """Whether ``sha`` is a commit here."""
        try:
            return not self.is_empty and self.bare_git("cat-file", "-t", sha) == "commit"
        except AssertionError:
            return False

    def level_of(self, account: Account | None) -> str:
        """What ``account`` may do, by ownership, membership, team, invitation, and for all."""
        levels = ["none" if self.private else "read"]
        if account is not None:
            login = account.login
            if account is self.owner or account.site_admin:
                levels.append("admin")
            if login in self.owner.members:
                levels.append("admin" if self.owner.members[login] == "admin" else "read")
            levels += [
                team.repositories[self.id]
                for team in self.owner.teams
                if login in team.members and self.id in team.repositories
            ]
            levels.append(self.collaborators.get(login, "none"))
        return max(levels, key=LEVELS.index)


@dataclass(eq=False)
class PullRequest:
    """A pull request, from a branch of the same repository or of a fork."""

    id: int
    number: int
    base: Repository
    base_branch: str
    base_sha: str
    head: Repository
    head_branch: str
    head_sha: str
    author: Account
    title: str
    created: datetime
    updated: datetime
    body: str = ""
    draft: bool = False
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    #: The merge that the forge has tried; none if it has a conflict.
    merge_sha: str | None = None
    merged: datetime | None = None
    closed: datetime | None = None

    @property
    def is_fork(self) -> bool:
        return self.head is not self.base


@dataclass(eq=False)
class Hook:
    """A webhook of a repository, an organisation or an App."""

    id: int
    url: str
    secret: str
    events: list[str]
    created: datetime
    updated: datetime
    active: bool = True
    content_type: str = "json"
    insecure_ssl: str = "0"
    #: Whose it is; none with an App's.
    repository: Repository | None = None
    #: What it is called where it is one of several kinds.
    kind: str = "web"
    branch_filter: str = "*"
    authorization_header: str = ""


@dataclass(eq=False)
class Status:
    """A commit status, as it was posted."""

    id: int
    sha: str
    context: str
    state: str
    description: str
    target_url: str
    creator: Account
    created: datetime


@dataclass(eq=False)
class CheckRun:
    """A check run of GitHub."""

    id: int
    head_sha: str
    name: str
    app: Any
    status: str = "queued"
    conclusion: str | None = None
    details_url: str | None = None
    external_id: str = ""
    started: str | None = None
    completed: str | None = None
    output: dict[str, Any] = field(default_factory=dict)
    #: Those of all requests that changed it.
    annotations: list[dict[str, Any]] = field(default_factory=list)
    actions: list[dict[str, str]] = field(default_factory=list)


@dataclass(eq=False)
class Comment:
    """A comment on a pull request."""

    id: int
    pull: PullRequest
    author: Account
    body: str
    created: datetime


@dataclass(eq=False)
class Token:
    """Something that authenticates a client."""

    text: str
    account: Account | None
    #: Of a personal or an OAuth token.
    scopes: frozenset[str] = frozenset()
    #: Of an installation: levels by permission, and ids of repositories.
    permissions: Mapping[str, str] | None = None
    repositories: frozenset[int] | None = None
    installation: Any = None
    #: Of an App itself.
    app: Any = None
    #: The App that acts for ``account``.
    acting_app: Any = None
    expires: datetime | None = None
