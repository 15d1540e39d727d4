"""What people do on a forge, as tests tell it. Each change is told to the hooks that want to know.

Methods are called with the forge's lock held where they change something: requests come in other
threads.
"""

from __future__ import annotations

import functools
import itertools
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from tests.fakes.model import (
    NO_COMMIT,
    Account,
    Comment,
    PullRequest,
    Repository,
    Status,
    Team,
    Token,
)
from tests.repository import Link

Files = Mapping[str, "str | Link | None"]
Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass
class Event:
    """Something that happened to a repository."""

    kind: str
    repository: Repository
    by: Account
    facts: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.facts[name]
        except KeyError:
            raise AttributeError(name) from None


def locked(method: Method) -> Method:
    """One change at a time."""

    @functools.wraps(method)
    def wrapper(self: Stories, *arguments: Any, **options: Any) -> Any:
        with self.lock:
            return method(self, *arguments, **options)

    return wrapper


class Stories:
    """Accounts and repositories, and what becomes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.repositories: dict[int, Repository] = {}
        #: Repositories' ids by names that they had, in small letters.
        self.former_names: dict[str, int] = {}
        self.tokens: dict[str, Token] = {}
        #: How far the forge's clock is ahead of this machine's.
        self.clock_ahead = timedelta()
        self._ids = itertools.count(1000)

    def happened(self, event: Event) -> None:
        """Tells the hooks."""
        raise NotImplementedError

    def now(self) -> datetime:
        """The time by the forge's clock, in whole seconds."""
        return (datetime.now(timezone.utc) + self.clock_ahead).replace(microsecond=0)

    def new_id(self) -> int:
        """A number that nothing else has."""
        return next(self._ids)

    # Accounts

    def user(self, login: str, **fields: Any) -> Account:
        """The user of that name, or the bot, who is made if need be."""
        return self._account(login, "Bot" if login.endswith("[bot]") else "User", fields)

    @locked
    def organization(
        self, login: str, *, members: list[str] | None = None, admins: list[str] | None = None
    ) -> Account:
        """The organisation of that name, with these members besides those it has."""
        made = self._account(login, "Organization", {})
        for name in members or []:
            made.members.setdefault(self.user(name).login, "member")
        for name in admins or []:
            made.members[self.user(name).login] = "admin"
        return made

    @locked
    def team(self, organization: str, name: str, members: list[str], **levels: str) -> Team:
        """A new team. ``levels`` says by repository name what it may do."""
        owner = self.organization(organization, members=members)
        made = Team(self.new_id(), name, set(members))
        for repository, level in levels.items():
            made.repositories[self.repository(f"{organization}/{repository}").id] = level
        owner.teams.append(made)
        return made

    @locked
    def rename_user(self, login: str, name: str) -> None:
        """A user is called ``name`` now; anybody may take the old name."""
        user = self.accounts.pop(login.lower())
        for organization in self.accounts.values():
            if login in organization.members:
                organization.members[name] = organization.members.pop(login)
            for team in organization.teams:
                if login in team.members:
                    team.members ^= {login, name}
        user.login = name
        self.accounts[name.lower()] = user

    def account(self, login: str) -> Account | None:
        """Names of accounts are the same in small and capital letters."""
        return self.accounts.get(login.lower())

    def _account(self, login: str, kind: str, fields: dict[str, Any]) -> Account:
        if login.lower() not in self.accounts:
            fields = {"name": login.title(), "email": f"{login}@example.org", **fields}
            made = Account(self.new_id(), login, kind, self.now(), **fields)
            self.accounts[login.lower()] = made
        return self.accounts[login.lower()]

    @locked
    def personal_token(
        self, login: str, *scopes: str, prefix: str = "", seconds: float | None = None
    ) -> Token:
        """A new token of a user, which may end after some time."""
        ends = None if seconds is None else self.now() + timedelta(seconds=seconds)
        text = f"{prefix}{secrets.token_hex(20)}"
        made = Token(text, self.user(login), frozenset(scopes), expires=ends)
        self.add_token(made)
        return made

    def add_token(self, token: Token) -> None:
        """A token that is valid from now on."""
        self.tokens[token.text] = token

    # Repositories

    @locked
    def create_repository(
        self,
        full_name: str,
        files: Files | None = None,
        *,
        topics: list[str] | None = None,
        private: bool = False,
        default_branch: str = "main",
    ) -> Repository:
        """A new repository, empty without ``files``. Its owner is a user unless there is an
        organisation of that name."""
        owner, _, name = full_name.partition("/")
        made = self._add_repository(self.account(owner) or self.user(owner), name)
        made.topics = list(topics or [])
        made.private = private
        made.default_branch = default_branch
        self.happened(Event("repository", made, made.owner, {"action": "created"}))
        if files is not None:
            self.push(made, files, branch=default_branch, message="Begin")
        return made

    def repository(self, full_name: str) -> Repository:
        """The repository that has this name now."""
        found = self.find_repository(full_name)
        assert found is not None, f"no repository {full_name}"
        return found

    def find_repository(self, full_name: str) -> Repository | None:
        """Like :meth:`repository`, or none."""
        wanted = full_name.lower()
        known = self.repositories.values()
        return next((each for each in known if each.full_name.lower() == wanted), None)

    @locked
    def fork(self, repository: Repository, login: str) -> Repository:
        """The user's fork, which is made if need be."""
        owner = self.user(login)
        for each in self.repositories.values():
            if each.parent is repository and each.owner is owner:
                return each
        made = self._add_repository(owner, repository.name)
        made.parent = repository
        made.default_branch = repository.default_branch
        made.private = repository.private
        made.pushed = repository.pushed
        # What it does not change is what its parent has.
        made.git.salt = repository.git.salt
        heads = "+refs/heads/*:refs/heads/*"
        made.bare_git("fetch", "--quiet", str(repository.git.bare), heads)
        return made

    def _add_repository(self, owner: Account, name: str) -> Repository:
        folder = self.folder / "repositories"
        folder.mkdir(exist_ok=True)
        made = Repository(self.new_id(), owner, name, self.now(), folder)
        self.repositories[made.id] = made
        return made

    @locked
    def rename(self, repository: Repository, name: str) -> None:
        """Gives it another name; the old one leads to it."""
        former = repository.name
        self.former_names[repository.full_name.lower()] = repository.id
        repository.name = name
        facts = {"action": "renamed", "former_name": former}
        self.happened(Event("repository", repository, repository.owner, facts))

    @locked
    def transfer(self, repository: Repository, owner: str) -> None:
        """Gives it to another owner; the old name leads to it."""
        former = repository.owner
        self.former_names[repository.full_name.lower()] = repository.id
        repository.owner = self.account(owner) or self.user(owner)
        facts = {"action": "transferred", "former_owner": former}
        self.happened(Event("repository", repository, former, facts))

    @locked
    def archive(self, repository: Repository, archived: bool = True) -> None:
        """Makes it read-only, or not."""
        repository.archived = archived
        action = "archived" if archived else "unarchived"
        self.happened(Event("repository", repository, repository.owner, {"action": action}))

    @locked
    def set_topics(self, repository: Repository, *topics: str) -> None:
        """Replaces its topics."""
        former, repository.topics = repository.topics, list(topics)
        facts = {"action": "edited", "former_topics": former}
        self.happened(Event("repository", repository, repository.owner, facts))

    @locked
    def delete_repository(self, repository: Repository) -> None:
        """Takes it away, with its hooks."""
        self.happened(Event("repository", repository, repository.owner, {"action": "deleted"}))
        del self.repositories[repository.id]

    # Pushes

    @locked
    def push(
        self,
        repository: Repository,
        files: Files,
        *,
        branch: str | None = None,
        message: str = "Change something",
        by: str | None = None,
    ) -> str:
        """One commit on a branch, which begins at the default one; returns its hash."""
        with self.changing_refs(repository, by):
            self._fetch(repository)
            default = repository.default_branch
            return repository.git.commit(
                files, branch=branch or default, start=default, message=message
            )

    @locked
    def reset(self, repository: Repository, branch: str, to: str, by: str | None = None) -> str:
        """Points a branch at a commit, by force; returns its hash."""
        with self.changing_refs(repository, by):
            self._fetch(repository)
            sha = repository.git.git("rev-parse", f"{to}^{{commit}}")
            repository.bare_git("update-ref", f"refs/heads/{branch}", sha)
            return sha

    @locked
    def tag(self, repository: Repository, name: str, commit: str, by: str | None = None) -> None:
        """A new tag at a commit."""
        with self.changing_refs(repository, by):
            repository.bare_git("update-ref", f"refs/tags/{name}", commit)

    @locked
    def delete_branch(self, repository: Repository, branch: str, by: str | None = None) -> None:
        """Deletes a branch. Pull requests from it are closed."""
        with self.changing_refs(repository, by):
            repository.bare_git("update-ref", "-d", f"refs/heads/{branch}")

    @contextmanager
    def changing_refs(self, repository: Repository, by: str | None = None) -> Iterator[None]:
        """What changes in the git repository meanwhile was pushed by ``by``."""
        pusher = self.user(by) if by else self._usual_pusher(repository)
        before = repository.refs()
        yield
        after = repository.refs()
        if after != before:
            repository.pushed = self.now()
        for ref in sorted(before.keys() | after.keys()):
            old, new = before.get(ref, NO_COMMIT), after.get(ref, NO_COMMIT)
            if old != new:
                facts = {"ref": ref, "before": old, "after": new}
                self.happened(Event("push", repository, pusher, facts))
                self._update_pulls(repository, ref, new, pusher)

    def _usual_pusher(self, repository: Repository) -> Account:
        owner = repository.owner
        if owner.is_organization:
            return self.user(next(iter(owner.members), "alice"))
        return owner

    def _fetch(self, repository: Repository) -> None:
        repository.git.git("fetch", "--quiet", "--prune", "origin")

    # Pull requests

    @locked
    def open_pull_request(
        self,
        repository: Repository,
        files: Files,
        *,
        by: str = "alice",
        fork: bool = False,
        branch: str = "change",
        base: str | None = None,
        title: str = "Change something",
        draft: bool = False,
    ) -> PullRequest:
        """A commit on a new branch and a pull request for it; with ``fork`` from the author's."""
        target = base or repository.default_branch
        head = self.fork(repository, by) if fork else repository
        base_sha = repository.refs()[f"refs/heads/{target}"]
        sha = self.push(head, files, branch=branch, message=title, by=by)
        made = PullRequest(
            id=self.new_id(),
            number=len(repository.pulls) + 1,
            base=repository,
            base_branch=target,
            base_sha=base_sha,
            head=head,
            head_branch=branch,
            head_sha=sha,
            author=self.user(by),
            title=title,
            created=self.now(),
            updated=self.now(),
            draft=draft,
        )
        repository.pulls.append(made)
        self._publish(made)
        self.tell_pull(made, "opened", made.author)
        return made

    def push_to(self, pull: PullRequest, files: Files, message: str = "Change more") -> str:
        """A further commit on the pull request's branch; returns its hash."""
        by = pull.author.login
        return self.push(pull.head, files, branch=pull.head_branch, message=message, by=by)

    def force_push(self, pull: PullRequest, to: str) -> str:
        """Points the pull request's branch at another commit; returns its hash."""
        return self.reset(pull.head, pull.head_branch, to, by=pull.author.login)

    @locked
    def close(self, pull: PullRequest, by: str | None = None) -> None:
        """Closes it without a merge."""
        pull.state, pull.closed = "closed", self.now()
        self.tell_pull(pull, "closed", self.user(by) if by else pull.author)

    @locked
    def reopen(self, pull: PullRequest) -> None:
        """Opens it again."""
        pull.state, pull.closed = "open", None
        self.tell_pull(pull, "reopened", pull.author)

    @locked
    def edit(self, pull: PullRequest, title: str) -> None:
        """Changes its title and nothing else."""
        former, pull.title = pull.title, title
        self.tell_pull(pull, "edited", pull.author, former_title=former)

    @locked
    def mark_ready(self, pull: PullRequest) -> None:
        """It is no draft any more."""
        pull.draft = False
        self.tell_pull(pull, "ready_for_review", pull.author)

    @locked
    def merge(self, pull: PullRequest, by: str = "alice") -> str:
        """Merges it into its base; returns the merge."""
        assert pull.merge_sha is not None, "it has a conflict"
        sha = pull.merge_sha
        with self.changing_refs(pull.base, by):
            pull.state, pull.closed, pull.merged = "closed", self.now(), self.now()
            pull.base.bare_git("update-ref", f"refs/heads/{pull.base_branch}", sha)
        self.tell_pull(pull, "closed", self.user(by))
        return sha

    @locked
    def comment(self, pull: PullRequest, body: str, by: str = "alice") -> Comment:
        """A comment on the pull request."""
        made = Comment(self.new_id(), pull, self.user(by), body, self.now())
        pull.base.comments.append(made)
        self.happened(Event("comment", pull.base, made.author, {"comment": made, "pull": pull}))
        return made

    def tell_pull(self, pull: PullRequest, action: str, by: Account, **facts: Any) -> None:
        """Tells the hooks what became of a pull request."""
        pull.updated = self.now()
        self.happened(Event("pull", pull.base, by, {"pull": pull, "action": action, **facts}))

    def _update_pulls(self, repository: Repository, ref: str, new: str, by: Account) -> None:
        for pull in [pull for each in self.repositories.values() for pull in each.pulls]:
            if pull.state != "open":
                continue
            if pull.head is repository and ref == f"refs/heads/{pull.head_branch}":
                if new == NO_COMMIT:
                    self.close(pull, by=by.login)
                    continue
                former, pull.head_sha = pull.head_sha, new
                self._publish(pull)
                self.tell_pull(pull, "synchronize", by, former_sha=former)
            elif pull.base is repository and ref == f"refs/heads/{pull.base_branch}":
                pull.base_sha = new
                self._publish(pull)

    def _publish(self, pull: PullRequest) -> None:
        """Puts the pull request's refs into its base, the merge too if there is no conflict."""
        refs = f"refs/pull/{pull.number}"
        bare = pull.base.bare_git
        bare("fetch", "--quiet", str(pull.head.git.bare), f"+{pull.head_sha}:{refs}/head")
        pull.merge_sha = self.make_merge(pull.base, pull.base_sha, pull.head_sha, pull.title)
        if pull.merge_sha is not None:
            bare("update-ref", f"{refs}/merge", pull.merge_sha)

    def make_merge(self, repository: Repository, onto: str, head: str, title: str) -> str | None:
        """A commit that merges ``head``; none if that has a conflict."""
        try:
            tree = repository.bare_git("merge-tree", "--write-tree", onto, head)
        except AssertionError as error:
            # It has said on stdout where the conflict is, and nothing on stderr.
            assert str(error).endswith(": "), error
            return None
        parents = ["-p", onto, "-p", head]
        return repository.bare_git("commit-tree", tree, *parents, "-m", f"Merge {title}")

    # Statuses

    @locked
    def add_status(
        self, repository: Repository, sha: str, by: Account, fields: Mapping[str, Any]
    ) -> Status:
        """A status that was posted."""
        made = Status(
            id=self.new_id(),
            sha=sha,
            context=fields.get("context") or "default",
            state=fields["state"],
            description=fields.get("description") or "",
            target_url=fields.get("target_url") or "",
            creator=by,
            created=self.now(),
        )
        repository.statuses.append(made)
        return made

    def statuses(self, repository: Repository, sha: str) -> dict[str, Status]:
        """The newest status of each context, as people see them."""
        return {each.context: each for each in repository.statuses if each.sha == sha}

    def states(self, repository: Repository, sha: str) -> dict[str, str]:
        """Their states only."""
        return {key: status.state for key, status in self.statuses(repository, sha).items()}

    def status_history(self, repository: Repository, sha: str, context: str) -> list[str]:
        """All states that a context had, first to last."""
        return [
            each.state
            for each in repository.statuses
            if each.sha == sha and each.context == context
        ]
