"""What GitHub's operations have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.forge import Call, page_of
from tests.fakes.model import PullRequest, Repository
from tests.fakes.server import Answer, ApiError, Routes, json_answer

if TYPE_CHECKING:
    from tests.fakes.github.forge import GitHub

ROUTES = Routes()


def page(github: GitHub, call: Call, items: list[Any], key: str = "") -> Answer:
    """A page of a list; with ``key``, in an object that says how many there are."""
    url = github.api_url + call.path
    shown, headers = page_of(call, items, url, size_name="per_page", default=30, largest=100)
    if not key:
        return json_answer(shown, **headers)
    return json_answer({"total_count": len(items), key: shown}, **headers)


def repository_of(
    github: GitHub, call: Call, owner: str, repo: str, permission: str, level: str = "read"
) -> Repository:
    """The repository, for who may do that. One that was renamed is found under its number."""
    full_name = f"{owner}/{repo}"
    found = github.find_repository(full_name)
    if found is None:
        former = github.repositories.get(github.former_names.get(full_name.lower(), -1))
        if former is None or github.level(call.token, former) == "none":
            raise ApiError(404, "Not Found")
        rest = call.path.partition(f"/repos/{owner}/{repo}")[2]
        url = f"{github.api_url}/repositories/{former.id}{rest}"
        raise MovedError(301 if call.request.method == "GET" else 307, url)
    github.check_permission(call.token, permission, level, found)
    if found.disabled:
        raise ApiError(403, "Repository access blocked")
    if level == "write" and found.archived:
        raise ApiError(403, "Repository was archived so is read-only.")
    return found


class MovedError(ApiError):
    """Leads to where a repository is now."""

    def __init__(self, status: int, url: str) -> None:
        super().__init__(status, "Moved Permanently", url=url)


def refusal(message: str, **errors: str) -> ApiError:
    """What cannot be processed."""
    return ApiError(422, message, errors=[errors] if errors else [])


def commit_of(repository: Repository, sha: str) -> str:
    """A commit by its hash, a branch or a tag."""
    for ref in (f"refs/heads/{sha}", f"refs/tags/{sha}"):
        if ref in repository.refs():
            return repository.refs()[ref]
    if not repository.has_commit(sha):
        raise ApiError(422, f"No commit found for SHA: {sha}")
    return sha


def pull_of(repository: Repository, number: str) -> PullRequest:
    for pull in repository.pulls:
        if str(pull.number) == number:
            return pull
    raise ApiError(404, "Not Found")
