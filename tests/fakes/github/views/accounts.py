"""How GitHub shows users, organisations and Apps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.fakes.github.views.common import Base, node_id, time
from tests.fakes.model import Account, Team

if TYPE_CHECKING:
    from tests.fakes.github.apps import App, Installation

#: Addresses that an account's JSON has, below its own.
ACCOUNT_LINKS = {
    "events": "/events{/privacy}",
    "followers": "/followers",
    "following": "/following{/other_user}",
    "gists": "/gists{/gist_id}",
    "organizations": "/orgs",
    "received_events": "/received_events",
    "repos": "/repos",
    "starred": "/starred{/owner}{/repo}",
    "subscriptions": "/subscriptions",
}
ORGANIZATION_LINKS = {
    "events": "/events",
    "hooks": "/hooks",
    "issues": "/issues",
    "members": "/members{/member}",
    "public_members": "/public_members{/member}",
    "repos": "/repos",
}


class AccountViews(Base):
    """Makes JSON."""

    def account(self, account: Account) -> dict[str, Any]:
        own = f"{self.api}/users/{quote(account.login)}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": node_id(account.kind, account.id),
            "avatar_url": f"{self.url}/avatars/{account.id}",
            "gravatar_id": "",
            "url": own,
            "html_url": f"{self.url}/{quote(account.login)}",
            "type": account.kind,
            "site_admin": account.site_admin,
            **{f"{name}_url": own + path for name, path in ACCOUNT_LINKS.items()},
        }

    def whole_account(self, account: Account) -> dict[str, Any]:
        """As it is shown alone."""
        times = {"created_at": time(account.created), "updated_at": time(account.created)}
        counts = dict.fromkeys(["public_repos", "public_gists", "followers", "following"], 0)
        words = dict.fromkeys(["company", "location", "hireable", "bio", "email"], None)
        return {
            **self.account(account),
            **words,
            "blog": "",
            "name": account.name,
            **counts,
            **times,
        }

    def private_account(self, account: Account) -> dict[str, Any]:
        """As it is shown to itself."""
        counts = ["collaborators", "disk_usage", "owned_private_repos", "private_gists"]
        return {
            **self.whole_account(account),
            "email": account.email,
            **dict.fromkeys([*counts, "total_private_repos"], 0),
            "two_factor_authentication": True,
        }

    def organization(self, account: Account) -> dict[str, Any]:
        own = f"{self.api}/orgs/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": node_id(account.kind, account.id),
            "url": own,
            "avatar_url": f"{self.url}/avatars/{account.id}",
            "description": "",
            **{f"{name}_url": own + path for name, path in ORGANIZATION_LINKS.items()},
        }

    def membership(self, organization: Account, user: Account) -> dict[str, Any]:
        own = f"{self.api}/orgs/{organization.login}"
        return {
            "url": f"{own}/memberships/{user.login}",
            "state": "active",
            "role": organization.members[user.login],
            "organization_url": own,
            "organization": self.organization(organization),
            "user": self.account(user),
        }

    def team(self, organization: Account, team: Team) -> dict[str, Any]:
        own = f"{self.api}/organizations/{organization.id}/team/{team.id}"
        times = {"created_at": time(organization.created), "updated_at": time(organization.created)}
        return {
            "id": team.id,
            "node_id": node_id("Team", team.id),
            "url": own,
            "html_url": f"{self.url}/orgs/{organization.login}/teams/{team.name}",
            "name": team.name,
            "slug": team.name.lower().replace(" ", "-"),
            "description": "",
            "privacy": "closed",
            "notification_setting": "notifications_enabled",
            "permission": "pull",
            "type": "organization",
            "organization_id": organization.id,
            "members_url": own + "/members{/member}",
            "repositories_url": own + "/repos",
            "parent": None,
            "members_count": len(team.members),
            "repos_count": len(team.repositories),
            **times,
            "organization": {
                **self.organization(organization),
                **times,
                **self._organization_counts(organization),
            },
        }

    def _organization_counts(self, organization: Account) -> dict[str, Any]:
        counts = ["public_repos", "public_gists", "followers", "following"]
        return {
            **dict.fromkeys(counts, 0),
            "html_url": f"{self.url}/{organization.login}",
            "has_organization_projects": True,
            "has_repository_projects": True,
            "type": "Organization",
            "archived_at": None,
        }

    def app(self, app: App) -> dict[str, Any]:
        return {
            "id": app.id,
            "slug": app.slug,
            "client_id": app.client_id,
            "node_id": node_id("Integration", app.id),
            "owner": self.account(app.owner),
            "name": app.name,
            "description": "",
            "external_url": self.url,
            "html_url": f"{self.url}/apps/{app.slug}",
            "created_at": time(app.created),
            "updated_at": time(app.created),
            "permissions": app.permissions,
            "events": app.events,
        }

    def installation(self, installation: Installation) -> dict[str, Any]:
        account = installation.account
        own = f"{self.api}/app/installations/{installation.id}"
        by = self.account(account) if installation.suspended else None
        return {
            "id": installation.id,
            "account": self.account(account),
            "repository_selection": "all" if installation.repositories is None else "selected",
            "access_tokens_url": f"{own}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.url}/settings/installations/{installation.id}",
            "app_id": installation.app.id,
            "client_id": installation.app.client_id,
            "app_slug": installation.app.slug,
            "target_id": account.id,
            "target_type": account.kind,
            "permissions": installation.permissions,
            "events": installation.app.events,
            "single_file_name": None,
            "has_multiple_single_files": False,
            "single_file_paths": [],
            "created_at": time(installation.created),
            "updated_at": time(installation.created),
            "suspended_at": time(installation.suspended),
            "suspended_by": by,
        }
