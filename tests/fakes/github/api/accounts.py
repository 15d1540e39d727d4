"""Users and organisations. https://docs.github.com/en/rest/users and .../orgs"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fakes.forge import Call
from tests.fakes.github.api.common import ROUTES, page
from tests.fakes.model import Account
from tests.fakes.server import Answer, ApiError, json_answer, redirect

if TYPE_CHECKING:
    from tests.fakes.github.forge import GitHub


@ROUTES("GET", "/user", "token")
def get_user(github: GitHub, call: Call) -> Answer:
    return json_answer(github.views.private_account(_person(call)))


@ROUTES("GET", "/user/emails", "token")
def list_emails(github: GitHub, call: Call) -> Answer:
    person = _person(call)
    assert call.token is not None
    if not call.token.scopes & {"user", "user:email"}:
        raise ApiError(404, "Not Found")
    mail = {"email": person.email, "primary": True, "verified": True, "visibility": "private"}
    return page(github, call, [mail])


@ROUTES("GET", "/user/orgs", "token")
def list_organizations(github: GitHub, call: Call) -> Answer:
    found = _organizations(github, call)
    return page(github, call, [github.views.organization(each) for each in found])


@ROUTES("GET", "/user/memberships/orgs/{org}", "token")
def get_own_membership(github: GitHub, call: Call, org: str) -> Answer:
    return _membership(github, org, _person(call).login)


@ROUTES("GET", "/user/teams", "token")
def list_teams(github: GitHub, call: Call) -> Answer:
    login = _person(call).login
    found = [
        github.views.team(owner, team)
        for owner in _organizations(github, call)
        for team in owner.teams
        if login in team.members
    ]
    return page(github, call, found)


@ROUTES("GET", "/user/repos", "token")
def list_user_repositories(github: GitHub, call: Call) -> Answer:
    person = _person(call)
    shown = []
    for repository in github.repositories.values():
        level = github.level(call.token, repository)
        belongs = repository.owner is person or person.login in repository.owner.members
        if level != "none" and (belongs or person.login in repository.collaborators):
            shown.append(github.views.repository(repository, level))
    return page(github, call, shown)


@ROUTES("GET", "/user/{account_id}", "token")
def get_account_by_id(github: GitHub, call: Call, account_id: str) -> Answer:
    found = next((a for a in github.accounts.values() if str(a.id) == account_id), None)
    if found is None:
        raise ApiError(404, "Not Found")
    return json_answer(github.views.whole_account(found))


@ROUTES("GET", "/users/{username}")
def get_account(github: GitHub, call: Call, username: str) -> Answer:
    found = github.account(username)
    if found is None:
        raise ApiError(404, "Not Found")
    return json_answer(github.views.whole_account(found))


@ROUTES("GET", "/orgs/{org}/members", "token")
def list_members(github: GitHub, call: Call, org: str) -> Answer:
    organization = github.account(org)
    if organization is None or not organization.is_organization:
        raise ApiError(404, "Not Found")
    # Only who belongs to it sees those whose membership is not public.
    members = organization.members if _is_inside(call, organization) else []
    return page(github, call, [github.views.account(github.user(login)) for login in members])


@ROUTES("GET", "/orgs/{org}/members/{username}", "token")
def check_member(github: GitHub, call: Call, org: str, username: str) -> Answer:
    organization = github.account(org)
    if organization is None or not organization.is_organization:
        raise ApiError(404, "Not Found")
    if not _is_inside(call, organization):
        # Only whose membership is public is shown to others.
        return redirect(f"{github.api_url}/orgs/{org}/public_members/{username}")
    if _is_member(organization, username):
        return Answer(204)
    raise ApiError(404, "Not Found")


@ROUTES("GET", "/orgs/{org}/memberships/{username}", "token")
def get_membership(github: GitHub, call: Call, org: str, username: str) -> Answer:
    assert call.token is not None
    if call.token.permissions is not None and "members" not in call.token.permissions:
        raise ApiError(403, "Resource not accessible by integration")
    return _membership(github, org, username)


@ROUTES("GET", "/orgs/{org}/teams/{team_slug}/memberships/{username}", "token")
def get_team_membership(
    github: GitHub, call: Call, org: str, team_slug: str, username: str
) -> Answer:
    organization = github.account(org)
    if organization is None or not _is_inside(call, organization):
        raise ApiError(404, "Not Found")
    for team in organization.teams:
        described = github.views.team(organization, team)
        if described["slug"] == team_slug and username in team.members:
            url = f"{described['url']}/memberships/{username}"
            return json_answer({"url": url, "role": "member", "state": "active"})
    raise ApiError(404, "Not Found")


def _organizations(github: GitHub, call: Call) -> list[Account]:
    """Where somebody is a member, as far as the App may know that acts for them."""
    person = _person(call)
    app = call.token.acting_app if call.token else None
    let_in = [
        installation.account
        for installation in github.installations.values()
        if installation.app is app and "members" in installation.permissions
    ]
    return [
        each
        for each in github.accounts.values()
        if person.login in each.members and (app is None or each in let_in)
    ]


def _membership(github: GitHub, org: str, username: str) -> Answer:
    organization, user = github.account(org), github.account(username)
    if organization is None or user is None or not _is_member(organization, username):
        raise ApiError(404, "Not Found")
    return json_answer(github.views.membership(organization, user))


def _is_inside(call: Call, organization: Account) -> bool:
    """Whether the caller belongs to an organisation, or was let in by it."""
    token = call.token
    assert token is not None
    if token.permissions is not None:
        return "members" in token.permissions and token.installation.account is organization
    return token.account is not None and token.account.login in organization.members


def _is_member(organization: Account, username: str) -> bool:
    return username.lower() in (login.lower() for login in organization.members)


def _person(call: Call) -> Any:
    if call.token is None or call.token.account is None:
        raise ApiError(403, "Resource not accessible by integration")
    return call.token.account


@ROUTES("GET", "/rate_limit")
def get_rate_limit(github: GitHub, call: Call) -> Answer:
    left = github.requests_left
    core = {"limit": 5000, "used": 5000 - left, "remaining": left, "reset": 2_000_000_000}
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": 2_000_000_000}
    return json_answer({"resources": {"core": core, "search": search}, "rate": core})
