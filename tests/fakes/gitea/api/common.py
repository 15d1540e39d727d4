"""What Gitea's operations have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.forge import Call, page_of
from tests.fakes.model import Account, PullRequest, Repository
from tests.fakes.server import Answer, ApiError, Routes, json_answer

if TYPE_CHECKING:
    from tests.fakes.gitea.forge import Gitea

#: What an operation needs are categories of scopes.
ROUTES = Routes()
#: A page is never longer, whatever was asked for (`MAX_RESPONSE_ITEMS`).
LARGEST_PAGE = 50


def page(gitea: Gitea, call: Call, items: list[Any], key: str = "") -> Answer:
    """A page of a list; with ``key``, in an object."""
    url = gitea.api_url + call.path
    shown, headers = page_of(call, items, url, size_name="limit", default=30, largest=LARGEST_PAGE)
    total = {"X_Total_Count": str(len(items))}
    return json_answer({"ok": True, key: shown} if key else shown, **headers, **total)


def repository_of(
    gitea: Gitea, call: Call, owner: str, repo: str, level: str = "read"
) -> Repository:
    """The repository, for who may do that. One that was renamed leads to its new name."""
    full_name = f"{owner}/{repo}"
    found = gitea.find_repository(full_name)
    if found is None:
        former = gitea.repositories.get(gitea.former_names.get(full_name.lower(), -1))
        if former is None or gitea.level(call.token, former) == "none":
            raise not_found()
        rest = call.path.partition(f"/repos/{owner}/{repo}")[2]
        raise MovedError(f"{gitea.api_url}/repos/{former.full_name}{rest}")
    gitea.check_level(call.token, found, level)
    return found


def not_found() -> ApiError:
    """What is not there, or not for the caller."""
    return ApiError(404, "The target couldn't be found.")


class MovedError(ApiError):
    """Leads to where a repository is now."""

    def __init__(self, url: str) -> None:
        super().__init__(307, "Temporary Redirect", location=url)


def person_of(call: Call) -> Account:
    """Whose token it is."""
    assert call.token is not None
    assert call.token.account is not None
    return call.token.account


def commit_of(repository: Repository, ref: str) -> str:
    """A commit by its hash, a branch or a tag."""
    refs = {} if repository.is_empty else repository.refs()
    for name in (f"refs/heads/{ref}", f"refs/tags/{ref}"):
        if name in refs:
            return refs[name]
    if not repository.has_commit(ref):
        raise not_found()
    return ref


def pull_of(repository: Repository, number: str) -> PullRequest:
    """A pull request by its number."""
    for pull in repository.pulls:
        if str(pull.number) == number:
            return pull
    raise not_found()
