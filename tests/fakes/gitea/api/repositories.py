"""Repositories, branches and pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.forge import Call
from tests.fakes.gitea.api.common import (
    ROUTES,
    commit_of,
    not_found,
    page,
    person_of,
    pull_of,
    repository_of,
)
from tests.fakes.server import Answer, json_answer

if TYPE_CHECKING:
    from tests.fakes.gitea.forge import Gitea

SCOPE = ("repository",)


@ROUTES("GET", "/user/repos", ("user", "repository"))
def list_user_repositories(gitea: Gitea, call: Call) -> Answer:
    """Those that belong to the user or that it was given access to."""
    person = person_of(call)
    shown = []
    for repository in gitea.repositories.values():
        level = repository.level_of(person)
        belongs = repository.owner is person or person.login in repository.owner.members
        if level != "none" and (belongs or person.login in repository.collaborators):
            shown.append(gitea.views.repository(repository, level))
    return page(gitea, call, shown)


@ROUTES("GET", "/repos/search", SCOPE)
def search(gitea: Gitea, call: Call) -> Answer:
    wanted = call.request.parameters
    shown = []
    for repository in gitea.repositories.values():
        level = gitea.level(call.token, repository)
        words = repository.topics if wanted.get("topic") == "true" else [repository.name]
        if level != "none" and ("q" not in wanted or any(wanted["q"] in word for word in words)):
            shown.append(gitea.views.repository(repository, level))
    return page(gitea, call, shown, "data")


@ROUTES("GET", "/repositories/{id}", SCOPE)
def get_repository_by_id(gitea: Gitea, call: Call, id: str) -> Answer:
    found = gitea.repositories.get(int(id))
    level = gitea.level(call.token, found) if found else "none"
    if found is None or level == "none":
        raise not_found()
    return json_answer(gitea.views.repository(found, level))


@ROUTES("GET", "/repos/{owner}/{repo}", SCOPE)
def get_repository(gitea: Gitea, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    return json_answer(gitea.views.repository(repository, gitea.level(call.token, repository)))


@ROUTES("GET", "/repos/{owner}/{repo}/topics", SCOPE)
def list_topics(gitea: Gitea, call: Call, owner: str, repo: str) -> Answer:
    return json_answer({"topics": repository_of(gitea, call, owner, repo).topics})


@ROUTES("GET", "/repos/{owner}/{repo}/branches", SCOPE)
def list_branches(gitea: Gitea, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    refs = {} if repository.is_empty else repository.refs()
    shown = [
        gitea.views.branch(repository, ref.removeprefix("refs/heads/"), sha)
        for ref, sha in refs.items()
        if ref.startswith("refs/heads/")
    ]
    return page(gitea, call, shown)


@ROUTES("GET", "/repos/{owner}/{repo}/branches/{branch}", SCOPE)
def get_branch(gitea: Gitea, call: Call, owner: str, repo: str, branch: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    sha = repository.branch(branch)
    if sha is None:
        raise not_found()
    return json_answer(gitea.views.branch(repository, branch, sha))


@ROUTES("GET", "/repos/{owner}/{repo}/git/commits/{sha}", SCOPE)
def get_commit(gitea: Gitea, call: Call, owner: str, repo: str, sha: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    return json_answer(gitea.views.commit(repository, commit_of(repository, sha)))


@ROUTES("GET", "/repos/{owner}/{repo}/collaborators/{collaborator}", SCOPE)
def check_collaborator(
    gitea: Gitea, call: Call, owner: str, repo: str, collaborator: str
) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    if collaborator not in repository.collaborators:
        raise not_found()
    return Answer(204)


@ROUTES("GET", "/repos/{owner}/{repo}/collaborators/{collaborator}/permission", SCOPE)
def get_permission(gitea: Gitea, call: Call, owner: str, repo: str, collaborator: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    user = gitea.account(collaborator)
    if user is None:
        raise not_found()
    if person_of(call) is not user:
        gitea.check_level(call.token, repository, "admin")
    level = "owner" if user is repository.owner else repository.level_of(user)
    shown = {"permission": level, "role_name": level, "user": gitea.views.account(user)}
    return json_answer(shown)


@ROUTES("GET", "/repos/{owner}/{repo}/pulls", SCOPE)
def list_pulls(gitea: Gitea, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    wanted = call.request.parameters.get("state", "open")
    found = [each for each in reversed(repository.pulls) if wanted in ("all", each.state)]
    return page(gitea, call, [gitea.views.pull(each) for each in found])


@ROUTES("GET", "/repos/{owner}/{repo}/pulls/{index}", SCOPE)
def get_pull(gitea: Gitea, call: Call, owner: str, repo: str, index: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    return json_answer(gitea.views.pull(pull_of(repository, index)))


@ROUTES("GET", "/repos/{owner}/{repo}/issues/{index}/comments", ("issue",))
def list_comments(gitea: Gitea, call: Call, owner: str, repo: str, index: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo)
    pull = pull_of(repository, index)
    found = [each for each in repository.comments if each.pull is pull]
    return page(gitea, call, [gitea.views.comment(each) for each in found])
