"""Apps and their installations. https://docs.github.com/en/rest/apps"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.forge import Call
from tests.fakes.github.api.common import ROUTES, page
from tests.fakes.github.api.hooks import configure, deliveries_of
from tests.fakes.model import Hook
from tests.fakes.server import Answer, ApiError, json_answer

if TYPE_CHECKING:
    from tests.fakes.github.forge import GitHub


@ROUTES("GET", "/app", "app")
def get_app(github: GitHub, call: Call) -> Answer:
    assert call.token is not None
    return json_answer(github.views.app(call.token.app))


@ROUTES("GET", "/app/installations", "app")
def list_installations(github: GitHub, call: Call) -> Answer:
    assert call.token is not None
    own = [each for each in github.installations.values() if each.app is call.token.app]
    return page(github, call, [github.views.installation(each) for each in own])


@ROUTES("GET", "/app/installations/{installation}", "app")
def get_installation(github: GitHub, call: Call, installation: str) -> Answer:
    return json_answer(github.views.installation(_installation(github, call, installation)))


@ROUTES("GET", "/repos/{owner}/{repo}/installation", "app")
def get_repository_installation(github: GitHub, call: Call, owner: str, repo: str) -> Answer:
    assert call.token is not None
    found = github.find_repository(f"{owner}/{repo}")
    installation = github.installation_for(call.token.app, found) if found else None
    if installation is None:
        raise ApiError(404, "Not Found")
    return json_answer(github.views.installation(installation))


@ROUTES("POST", "/app/installations/{installation}/access_tokens", "app")
def create_token(github: GitHub, call: Call, installation: str) -> Answer:
    found = _installation(github, call, installation)
    if found.suspended:
        raise ApiError(403, "This installation has been suspended")
    form, seen = call.form, github.repositories_of(found)
    chosen = None
    if "repositories" in form or "repository_ids" in form:
        names, ids = form.get("repositories", []), form.get("repository_ids", [])
        chosen = [each for each in seen if each.name in names or each.id in ids]
        if len(chosen) < len({*names, *ids}):
            raise ApiError(
                422,
                "There is at least one repository that does not exist or is not "
                "accessible to the parent installation.",
            )
    wanted = form.get("permissions", found.permissions)
    allowed = {"read": ("read",), "write": ("read", "write")}
    for name, level in wanted.items():
        if level not in allowed.get(found.permissions.get(name, ""), ()):
            raise ApiError(422, "The permissions requested are not granted to this installation.")
    token = github.mint(found, chosen, {"metadata": "read", **wanted})
    assert token.expires is not None
    answer: dict[str, Any] = {
        "token": token.text,
        "expires_at": token.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "permissions": token.permissions,
        "repository_selection": "all" if chosen is None else "selected",
    }
    if chosen is not None:
        answer["repositories"] = [github.views.repository(each) for each in chosen]
    return json_answer(answer, 201)


@ROUTES("GET", "/app/hook/config", "app")
def get_app_hook(github: GitHub, call: Call) -> Answer:
    return json_answer(github.views.hook_config(_app_hook(call)))


@ROUTES("PATCH", "/app/hook/config", "app")
def update_app_hook(github: GitHub, call: Call) -> Answer:
    hook = _app_hook(call)
    configure(hook, call.form)
    return json_answer(github.views.hook_config(hook))


@ROUTES("GET", "/app/hook/deliveries", "app")
def list_appdeliveries_of(github: GitHub, call: Call) -> Answer:
    return deliveries_of(github, call, _app_hook(call))


@ROUTES("GET", "/installation/repositories", "token")
def list_installation_repositories(github: GitHub, call: Call) -> Answer:
    token = call.token
    if token is None or token.installation is None:
        raise ApiError(
            403,
            "You must authenticate with an installation access token in order to "
            "list repositories for an installation.",
        )
    seen = github.repositories_of(token.installation)
    if token.repositories is not None:
        seen = [each for each in seen if each.id in token.repositories]
    level = github.level(token, seen[0]) if seen else "read"
    shown = [github.views.repository(each, level) for each in seen]
    return page(github, call, shown, "repositories")


def _installation(github: GitHub, call: Call, number: str) -> Any:
    assert call.token is not None
    found = github.installations.get(int(number))
    if found is None or found.app is not call.token.app:
        raise ApiError(404, "Not Found")
    return found


def _app_hook(call: Call) -> Hook:
    assert call.token is not None
    hook: Hook | None = call.token.app.hook
    if hook is None:
        raise ApiError(404, "Not Found")
    return hook
