"""Commit statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.forge import Call
from tests.fakes.gitea.api.common import ROUTES, commit_of, page, person_of, repository_of
from tests.fakes.server import Answer, ApiError, json_answer

if TYPE_CHECKING:
    from tests.fakes.gitea.forge import Gitea

SCOPE = ("repository",)
#: From the worst, which a combined status takes.
WORST = ["error", "failure", "warning", "pending", "success", "skipped"]


@ROUTES("POST", "/repos/{owner}/{repo}/statuses/{sha}", SCOPE)
def create_status(gitea: Gitea, call: Call, owner: str, repo: str, sha: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo, "write")
    if not repository.has_commit(sha):
        # Not what one would expect, and what Gitea does.
        raise ApiError(500, f"GetCommit[{sha}]: object does not exist [id: {sha}, rel_path: ]")
    made = gitea.add_status(repository, sha, person_of(call), call.form)
    return json_answer(gitea.views.status(repository, made), 201)


@ROUTES("GET", "/repos/{owner}/{repo}/statuses/{sha}", SCOPE)
def list_statuses(gitea: Gitea, call: Call, owner: str, repo: str, sha: str) -> Answer:
    return list_statuses_by_ref(gitea, call, owner, repo, sha)


@ROUTES("GET", "/repos/{owner}/{repo}/commits/{ref}/statuses", SCOPE)
def list_statuses_by_ref(gitea: Gitea, call: Call, owner: str, repo: str, ref: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    sha = commit_of(repository, ref)
    found = [each for each in reversed(repository.statuses) if each.sha == sha]
    return page(gitea, call, [gitea.views.status(repository, each) for each in found])


@ROUTES("GET", "/repos/{owner}/{repo}/commits/{ref}/status", SCOPE)
def get_combined_status(gitea: Gitea, call: Call, owner: str, repo: str, ref: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    sha = commit_of(repository, ref)
    newest = list(gitea.statuses(repository, sha).values())
    api = f"{gitea.api_url}/repos/{repository.full_name}/commits/{sha}"
    return json_answer(
        {
            "state": min((each.state for each in newest), key=WORST.index, default="pending"),
            "sha": sha,
            "total_count": len(newest),
            "statuses": [gitea.views.status(repository, each) for each in newest],
            "repository": gitea.views.repository(repository, "read"),
            "commit_url": api,
            "url": f"{api}/status",
        }
    )
