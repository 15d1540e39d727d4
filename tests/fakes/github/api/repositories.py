"""Repositories, branches and pull requests. https://docs.github.com/en/rest/repos, .../pulls"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.forge import Call
from tests.fakes.github.api.common import ROUTES, commit_of, page, pull_of, repository_of
from tests.fakes.github.views.repositories import permissions
from tests.fakes.server import Answer, ApiError, json_answer

if TYPE_CHECKING:
    from tests.fakes.github.forge import GitHub


@ROUTES("GET", "/repos/{owner}/{repo}")
def get_repository(github: GitHub, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "metadata")
    level = github.level(call.token, repository)
    return json_answer(github.views.whole_repository(repository, level))


@ROUTES("GET", "/repos/{owner}/{repo}/topics")
def list_topics(github: GitHub, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "metadata")
    return json_answer({"names": repository.topics})


@ROUTES("GET", "/repos/{owner}/{repo}/branches")
def list_branches(github: GitHub, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "contents")
    own = f"{github.api_url}/repos/{repository.full_name}"
    refs = {} if repository.is_empty else repository.refs()
    shown = [
        {
            "name": ref.removeprefix("refs/heads/"),
            "commit": {"sha": sha, "url": f"{own}/commits/{sha}"},
            "protected": False,
        }
        for ref, sha in refs.items()
        if ref.startswith("refs/heads/")
    ]
    return page(github, call, shown)


@ROUTES("GET", "/repos/{owner}/{repo}/branches/{branch}")
def get_branch(github: GitHub, call: Call, owner: str, repo: str, branch: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "contents")
    sha = repository.branch(branch)
    if sha is None:
        raise ApiError(404, "Branch not found")
    own = f"{github.api_url}/repos/{repository.full_name}/branches/{branch}"
    page = f"{github.url}/{repository.full_name}/tree/{branch}"
    return json_answer(
        {
            "name": branch,
            "commit": github.views.commit(repository, sha),
            "_links": {"self": own, "html": page},
            "protected": False,
            "protection": {"enabled": False},
            "protection_url": f"{own}/protection",
        }
    )


@ROUTES("GET", "/repos/{owner}/{repo}/git/ref/{ref}")
def get_ref(github: GitHub, call: Call, owner: str, repo: str, ref: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "contents")
    sha = None if repository.is_empty else repository.refs().get(f"refs/{ref}")
    if sha is None:
        raise ApiError(404, "Not Found")
    return json_answer(github.views.ref(repository, f"refs/{ref}", sha))


@ROUTES("GET", "/repos/{owner}/{repo}/commits/{ref}")
def get_commit(github: GitHub, call: Call, owner: str, repo: str, ref: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "contents")
    return json_answer(github.views.commit(repository, commit_of(repository, ref)))


@ROUTES("GET", "/repos/{owner}/{repo}/collaborators/{username}", "token")
def check_collaborator(github: GitHub, call: Call, owner: str, repo: str, username: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "metadata")
    user = github.account(username)
    member = user is not None and (
        user is repository.owner
        or user.login in repository.collaborators
        or user.login in repository.owner.members
    )
    if not member:
        raise ApiError(404, "Not Found")
    return Answer(204)


@ROUTES("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission", "token")
def get_permission(github: GitHub, call: Call, owner: str, repo: str, username: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "metadata")
    user = github.account(username)
    if user is None:
        raise ApiError(404, f"{username} is not a user")
    level = repository.level_of(user)
    shown = {**github.views.account(user), "permissions": permissions(level), "role_name": level}
    return json_answer({"permission": level, "role_name": level, "user": shown})


@ROUTES("GET", "/repos/{owner}/{repo}/pulls")
def list_pulls(github: GitHub, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "pull_requests")
    wanted = call.request.parameters
    found = [
        github.views.pull(each)
        for each in reversed(repository.pulls)
        if wanted.get("state", "open") in ("all", each.state)
        and wanted.get("base") in (None, each.base_branch)
        and wanted.get("head") in (None, f"{each.head.owner.login}:{each.head_branch}")
    ]
    return page(github, call, found)


@ROUTES("GET", "/repos/{owner}/{repo}/pulls/{number}")
def get_pull(github: GitHub, call: Call, owner: str, repo: str, number: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "pull_requests")
    return json_answer(github.views.whole_pull(pull_of(repository, number)))


@ROUTES("GET", "/repos/{owner}/{repo}/issues/{number}/comments")
def list_comments(github: GitHub, call: Call, owner: str, repo: str, number: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "pull_requests")
    pull = pull_of(repository, number)
    found = [each for each in repository.comments if each.pull is pull]
    return page(github, call, [github.views.comment(each) for each in found])
