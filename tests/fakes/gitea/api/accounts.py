"""Users and organisations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.forge import Call
from tests.fakes.gitea.api.common import ROUTES, not_found, page, person_of
from tests.fakes.model import Account
from tests.fakes.server import Answer, ApiError, json_answer, redirect

if TYPE_CHECKING:
    from tests.fakes.gitea.forge import Gitea


@ROUTES("GET", "/version")
def get_version(gitea: Gitea, call: Call) -> Answer:
    return json_answer({"version": "12.0.1+gitea-1.22.0"})


@ROUTES("GET", "/settings/api")
def get_api_settings(gitea: Gitea, call: Call) -> Answer:
    sizes = {"max_response_items": 50, "default_paging_num": 30}
    trees = {"default_git_trees_per_page": 1000, "default_max_blob_size": 10_485_760}
    return json_answer({**sizes, **trees})


@ROUTES("GET", "/user", ("user",))
def get_user(gitea: Gitea, call: Call) -> Answer:
    return json_answer(gitea.views.account(person_of(call)))


@ROUTES("GET", "/user/emails", ("user",))
def list_emails(gitea: Gitea, call: Call) -> Answer:
    person = person_of(call)
    mail = {"email": person.email, "verified": True, "primary": True}
    return json_answer([{**mail, "user_id": person.id, "username": person.login}])


@ROUTES("GET", "/user/orgs", ("user", "organization"))
def list_organizations(gitea: Gitea, call: Call) -> Answer:
    return page(gitea, call, _organizations(gitea, person_of(call)))


@ROUTES("GET", "/users/{username}/orgs", ("user", "organization"))
def list_organizations_of(gitea: Gitea, call: Call, username: str) -> Answer:
    user = gitea.account(username)
    if user is None:
        raise not_found()
    return page(gitea, call, _organizations(gitea, user))


@ROUTES("GET", "/user/teams", ("user",))
def list_teams(gitea: Gitea, call: Call) -> Answer:
    login = person_of(call).login
    found = [
        gitea.views.team(owner, team)
        for owner in gitea.accounts.values()
        for team in owner.teams
        if login in team.members
    ]
    return page(gitea, call, found)


@ROUTES("GET", "/users/search", ("user",))
def search_users(gitea: Gitea, call: Call) -> Answer:
    wanted = call.request.parameters.get("uid")
    found = [
        gitea.views.account(each)
        for each in gitea.accounts.values()
        if not each.is_organization and wanted in (None, str(each.id))
    ]
    return page(gitea, call, found, key="data")


@ROUTES("GET", "/users/{username}", ("user",))
def get_account(gitea: Gitea, call: Call, username: str) -> Answer:
    user = gitea.account(username)
    if user is None:
        raise not_found()
    return json_answer(gitea.views.account(user))


@ROUTES("GET", "/orgs/{org}", ("organization",))
def get_organization(gitea: Gitea, call: Call, org: str) -> Answer:
    return json_answer(gitea.views.organization(_organization(gitea, org)))


@ROUTES("GET", "/orgs/{org}/members", ("organization",))
def list_members(gitea: Gitea, call: Call, org: str) -> Answer:
    organization = _organization(gitea, org)
    # Only who belongs to it sees those whose membership is not public.
    inside = call.token is not None and person_of(call).login in organization.members
    members = organization.members if inside else []
    return page(gitea, call, [gitea.views.account(gitea.user(login)) for login in members])


@ROUTES("GET", "/orgs/{org}/members/{username}", ("organization",))
def check_member(gitea: Gitea, call: Call, org: str, username: str) -> Answer:
    organization = _organization(gitea, org)
    if call.token is None or person_of(call).login not in organization.members:
        # Only whose membership is public is shown to others.
        return redirect(f"{gitea.api_url}/orgs/{org}/public_members/{username}", 303)
    if username.lower() in (login.lower() for login in organization.members):
        return Answer(204)
    raise not_found()


@ROUTES("GET", "/orgs/{org}/teams/search", ("organization",))
def search_teams(gitea: Gitea, call: Call, org: str) -> Answer:
    organization = _organization(gitea, org)
    if person_of(call).login not in organization.members:
        raise not_found()
    wanted = call.request.parameters.get("q", "").lower()
    found = [team for team in organization.teams if wanted in team.name.lower()]
    shown = [gitea.views.team(organization, team) for team in found]
    return page(gitea, call, shown, key="data")


@ROUTES("GET", "/teams/{id}/members/{username}", ("organization",))
def get_team_member(gitea: Gitea, call: Call, id: str, username: str) -> Answer:
    for organization in gitea.accounts.values():
        for team in organization.teams:
            if str(team.id) != id:
                continue
            asks = person_of(call).login
            if organization.members.get(asks) != "admin" and asks not in team.members:
                raise ApiError(403, "Must be a team member")
            if username in team.members:
                return json_answer(gitea.views.account(gitea.user(username)))
    raise not_found()


def _organization(gitea: Gitea, name: str) -> Account:
    found = gitea.account(name)
    if found is None or not found.is_organization:
        raise not_found()
    return found


def _organizations(gitea: Gitea, user: Account) -> list[dict[str, Any]]:
    found = [each for each in gitea.accounts.values() if user.login in each.members]
    return [gitea.views.organization(each) for each in found]
