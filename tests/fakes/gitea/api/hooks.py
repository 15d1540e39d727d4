"""Webhooks of repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.deliveries import Delivery
from tests.fakes.forge import Call
from tests.fakes.gitea.api.common import ROUTES, not_found, page, repository_of
from tests.fakes.model import Hook, Repository
from tests.fakes.server import Answer, ApiError, json_answer
from tests.fakes.stories import Event

if TYPE_CHECKING:
    from tests.fakes.gitea.forge import Gitea

SCOPE = ("repository",)


@ROUTES("GET", "/repos/{owner}/{repo}/hooks", SCOPE)
def list_hooks(gitea: Gitea, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo, "admin")
    return page(gitea, call, [gitea.views.hook(each) for each in repository.hooks])


@ROUTES("POST", "/repos/{owner}/{repo}/hooks", SCOPE)
def create_hook(gitea: Gitea, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(gitea, call, owner, repo, "admin")
    form, now = call.form, gitea.now()
    config = form["config"]
    for name in ("url", "content_type"):
        if name not in config:
            raise ApiError(422, f"Missing config option: {name}")
    hook = Hook(gitea.new_id(), "", "", [], now, now, repository=repository, kind=form["type"])
    hook.active = form.get("active", False)
    _configure(hook, form)
    repository.hooks.append(hook)
    return json_answer(gitea.views.hook(hook), 201)


@ROUTES("GET", "/repos/{owner}/{repo}/hooks/{id}", SCOPE)
def get_hook(gitea: Gitea, call: Call, owner: str, repo: str, id: str) -> Answer:
    return json_answer(gitea.views.hook(_hook(gitea, call, owner, repo, id)))


@ROUTES("PATCH", "/repos/{owner}/{repo}/hooks/{id}", SCOPE)
def update_hook(gitea: Gitea, call: Call, owner: str, repo: str, id: str) -> Answer:
    hook = _hook(gitea, call, owner, repo, id)
    hook.active = call.form.get("active", hook.active)
    _configure(hook, call.form)
    hook.updated = gitea.now()
    return json_answer(gitea.views.hook(hook))


@ROUTES("DELETE", "/repos/{owner}/{repo}/hooks/{id}", SCOPE)
def delete_hook(gitea: Gitea, call: Call, owner: str, repo: str, id: str) -> Answer:
    hook = _hook(gitea, call, owner, repo, id)
    assert hook.repository is not None
    hook.repository.hooks.remove(hook)
    return Answer(204)


@ROUTES("POST", "/repos/{owner}/{repo}/hooks/{id}/tests", SCOPE)
def test_hook(gitea: Gitea, call: Call, owner: str, repo: str, id: str) -> Answer:
    """A push of what the default branch is at."""
    hook = _hook(gitea, call, owner, repo, id)
    repository = hook.repository
    assert repository is not None
    head = repository.branch(repository.default_branch)
    assert head is not None
    ref = f"refs/heads/{repository.default_branch}"
    event = Event("push", repository, repository.owner, {"ref": ref, "before": head, "after": head})
    deliveries: list[Delivery] = [each for each in gitea.describe(event) if each.hook is hook]
    for delivery in deliveries:
        gitea.deliveries.add(delivery)
    return Answer(204)


def _configure(hook: Hook, form: dict[str, Any]) -> None:
    config = form.get("config", {})
    hook.url = config.get("url", hook.url)
    hook.content_type = config.get("content_type", hook.content_type)
    hook.secret = config.get("secret", hook.secret)
    # Not what they were: who changes something else and leaves them out loses them.
    hook.events = form.get("events") or ["push"]
    hook.branch_filter = form.get("branch_filter", "")
    hook.authorization_header = form.get("authorization_header", "")


def _hook(gitea: Gitea, call: Call, owner: str, repo: str, number: str) -> Hook:
    repository: Repository = repository_of(gitea, call, owner, repo, "admin")
    for hook in repository.hooks:
        if str(hook.id) == number:
            return hook
    raise not_found()
