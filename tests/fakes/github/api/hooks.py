"""Webhooks of repositories. https://docs.github.com/en/rest/repos/webhooks"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.forge import Call
from tests.fakes.github.api.common import ROUTES, page, refusal, repository_of
from tests.fakes.model import Hook, Repository
from tests.fakes.server import Answer, ApiError, json_answer

if TYPE_CHECKING:
    from tests.fakes.github.forge import GitHub

#: GitHub's own limit, which its document does not have.
MOST_HOOKS = 20


@ROUTES("GET", "/repos/{owner}/{repo}/hooks", "token")
def list_hooks(github: GitHub, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "repository_hooks")
    return page(github, call, [_shown_hook(github, each) for each in repository.hooks])


@ROUTES("POST", "/repos/{owner}/{repo}/hooks", "token")
def create_hook(github: GitHub, call: Call, owner: str, repo: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "repository_hooks", "write")
    form = call.form
    config = form.get("config", {})
    if not str(config.get("url", "")).startswith(("http://", "https://")):
        raise refusal("Validation Failed", resource="Hook", code="custom", field="url")
    same = [each for each in repository.hooks if each.url == config["url"]]
    if same:
        raise refusal(
            "Validation Failed",
            resource="Hook",
            code="custom",
            message="Hook already exists on this repository",
        )
    if len(repository.hooks) >= MOST_HOOKS:
        raise refusal("Validation Failed", message="The repository has the most hooks it may have")
    now = github.now()
    hook = Hook(github.new_id(), "", "", form.get("events", ["push"]), now, now)
    hook.repository, hook.content_type = repository, "form"
    configure(hook, config)
    hook.active = form.get("active", True)
    repository.hooks.append(hook)
    github.ping(hook)
    return json_answer(_shown_hook(github, hook), 201)


@ROUTES("GET", "/repos/{owner}/{repo}/hooks/{hook}", "token")
def get_hook(github: GitHub, call: Call, owner: str, repo: str, hook: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "repository_hooks")
    return json_answer(_shown_hook(github, _hook(repository, hook)))


@ROUTES("PATCH", "/repos/{owner}/{repo}/hooks/{hook}", "token")
def update_hook(github: GitHub, call: Call, owner: str, repo: str, hook: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "repository_hooks", "write")
    found, form = _hook(repository, hook), call.form
    if "config" in form:
        # A whole new one: a secret that is not in it is gone.
        found.secret, found.content_type = "", "form"
        configure(found, form["config"])
    found.events = form.get("events", found.events)
    found.events += [each for each in form.get("add_events", []) if each not in found.events]
    found.events = [each for each in found.events if each not in form.get("remove_events", [])]
    found.active = form.get("active", found.active)
    found.updated = github.now()
    return json_answer(_shown_hook(github, found))


@ROUTES("DELETE", "/repos/{owner}/{repo}/hooks/{hook}", "token")
def delete_hook(github: GitHub, call: Call, owner: str, repo: str, hook: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "repository_hooks", "write")
    repository.hooks.remove(_hook(repository, hook))
    return Answer(204)


@ROUTES("POST", "/repos/{owner}/{repo}/hooks/{hook}/pings", "token")
def ping_hook(github: GitHub, call: Call, owner: str, repo: str, hook: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "repository_hooks")
    github.ping(_hook(repository, hook))
    return Answer(204)


@ROUTES("GET", "/repos/{owner}/{repo}/hooks/{hook}/deliveries", "token")
def listdeliveries_of(github: GitHub, call: Call, owner: str, repo: str, hook: str) -> Answer:
    repository = repository_of(github, call, owner, repo, "repository_hooks")
    return deliveries_of(github, call, _hook(repository, hook))


def deliveries_of(github: GitHub, call: Call, hook: Hook) -> Answer:
    sent = [each for each in github.deliveries.all if each.hook is hook and each.attempts]
    return page(github, call, [github.views.delivery(each, None) for each in reversed(sent)])


def _shown_hook(github: GitHub, hook: Hook) -> dict[str, Any]:
    sent = [each.status for each in github.deliveries.all if each.hook is hook and each.attempts]
    return github.views.hook(hook, sent[-1] if sent else None)


def configure(hook: Hook, config: dict[str, Any]) -> None:
    hook.url = config.get("url", hook.url)
    hook.secret = config.get("secret", hook.secret)
    hook.content_type = config.get("content_type", hook.content_type)
    hook.insecure_ssl = str(config.get("insecure_ssl", hook.insecure_ssl))


def _hook(repository: Repository, number: str) -> Hook:
    for hook in repository.hooks:
        if str(hook.id) == number:
            return hook
    raise ApiError(404, "Not Found")
