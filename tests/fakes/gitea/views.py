"""How Gitea and Forgejo show what they know, in answers and in webhooks. The official document
checks it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.fakes.git_views import changed_files, commit_details
from tests.fakes.model import Account, Comment, Hook, PullRequest, Repository, Status, Team

#: What Go writes for a time that is not set.
NEVER = "0001-01-01T00:00:00Z"


def time(value: datetime | None) -> str | None:
    """As Gitea writes times."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")


class Views:
    """Makes JSON. Needs to know where everything is."""

    def __init__(self, url: str, api: str) -> None:
        self.url = url
        self.api = api

    def account(self, account: Account) -> dict[str, Any]:
        return {
            "id": account.id,
            "login": account.login,
            # It had this name once.
            "username": account.login,
            "login_name": "",
            "source_id": 0,
            "full_name": account.name,
            "email": account.email,
            "avatar_url": f"{self.url}/avatars/{account.id}",
            "html_url": f"{self.url}/{account.login}",
            "language": "",
            "is_admin": account.site_admin,
            "last_login": NEVER,
            "created": time(account.created),
            "restricted": False,
            "active": True,
            "prohibit_login": False,
            "location": "",
            "pronouns": "",
            "website": "",
            "description": "",
            "visibility": "public",
            "followers_count": 0,
            "following_count": 0,
            "starred_repos_count": 0,
        }

    def organization(self, account: Account) -> dict[str, Any]:
        return {
            "id": account.id,
            "name": account.login,
            "username": account.login,
            "full_name": account.name,
            "email": account.email,
            "avatar_url": f"{self.url}/avatars/{account.id}",
            "description": "",
            "website": "",
            "location": "",
            "visibility": "public",
            "repo_admin_change_team_access": True,
            "created": time(account.created),
        }

    def team(self, organization: Account, team: Team) -> dict[str, Any]:
        level = max(team.repositories.values(), default="read")
        units = ["repo.code", "repo.issues", "repo.pulls"]
        return {
            "id": team.id,
            "name": team.name,
            "description": "",
            "organization": self.organization(organization),
            "includes_all_repositories": False,
            "permission": level,
            "units": units,
            "units_map": dict.fromkeys(units, level),
            "can_create_org_repo": False,
        }

    def repository(self, repository: Repository, level: str = "admin") -> dict[str, Any]:
        """With what the caller may do."""
        page = f"{self.url}/{repository.full_name}"
        host = self.url.partition("://")[2].partition("/")[0].partition(":")[0]
        counts = ["forks_count", "open_issues_count", "release_counter", "stars_count"]
        api = f"{self.api}/repos/{repository.full_name}"
        parent = repository.parent
        return {
            "id": repository.id,
            "owner": self.account(repository.owner),
            "name": repository.name,
            "full_name": repository.full_name,
            "description": repository.description,
            "empty": repository.is_empty,
            "private": repository.private,
            "internal": False,
            "fork": parent is not None,
            "parent": self.repository(parent, "read") if parent else None,
            "template": False,
            "mirror": False,
            "size": 0 if repository.is_empty else 1,
            "language": "",
            "languages_url": f"{api}/languages",
            "html_url": page,
            "url": api,
            "link": "",
            "ssh_url": f"git@{host}:{repository.full_name}.git",
            "clone_url": f"{page}.git",
            "original_url": "",
            "website": "",
            **dict.fromkeys(counts, 0),
            "watchers_count": 1,
            "open_pr_counter": sum(pull.state == "open" for pull in repository.pulls),
            "default_branch": repository.default_branch,
            "archived": repository.archived,
            "archived_at": "1970-01-01T00:00:00Z",
            "created_at": time(repository.created),
            "updated_at": time(repository.pushed or repository.created),
            "permissions": permissions(level),
            **{f"has_{name}": True for name in FEATURES},
            "has_wiki": False,
            "ignore_whitespace_conflicts": False,
            **{f"allow_{name}": True for name in WAYS_TO_MERGE},
            "default_delete_branch_after_merge": False,
            "default_merge_style": "merge",
            "default_allow_maintainer_edit": False,
            "avatar_url": "",
            "mirror_interval": "",
            "object_format_name": "sha1",
            "mirror_updated": NEVER,
            "topics": repository.topics,
            "repo_transfer": None,
        }

    def branch(self, repository: Repository, name: str, sha: str) -> dict[str, Any]:
        return {
            "name": name,
            "commit": self.pushed_commit(repository, sha),
            "protected": False,
            "required_approvals": 0,
            "enable_status_check": False,
            "status_check_contexts": [],
            "user_can_push": True,
            "user_can_merge": True,
            "effective_branch_protection_name": "",
        }

    def pushed_commit(self, repository: Repository, sha: str) -> dict[str, Any]:
        """As pushes and branches show it."""
        details = commit_details(repository, sha)
        person = {"name": details.name, "email": details.email, "username": ""}
        return {
            "id": sha,
            "message": f"{details.message}\n",
            "url": f"{self.url}/{repository.full_name}/commit/{sha}",
            "author": person,
            "committer": person,
            "verification": None,
            "timestamp": details.date,
            **changed_files(repository, sha),
        }

    def commit(self, repository: Repository, sha: str) -> dict[str, Any]:
        """As it is shown alone."""
        details = commit_details(repository, sha)
        api = f"{self.api}/repos/{repository.full_name}/git"
        person = {"name": details.name, "email": details.email, "date": details.date}
        tree = {"url": f"{api}/trees/{details.tree}", "sha": details.tree, "created": details.date}
        return {
            "url": f"{api}/commits/{sha}",
            "sha": sha,
            "created": details.date,
            "html_url": f"{self.url}/{repository.full_name}/commit/{sha}",
            "commit": {
                "url": f"{api}/commits/{sha}",
                "author": person,
                "committer": person,
                "message": f"{details.message}\n",
                "tree": tree,
                "verification": None,
            },
            "author": None,
            "committer": None,
            "parents": [
                {"url": f"{api}/commits/{each}", "sha": each, "created": NEVER}
                for each in details.parents
            ],
            "files": [],
            "stats": None,
        }

    def pull(self, pull: PullRequest) -> dict[str, Any]:
        page = f"{self.url}/{pull.base.full_name}/pulls/{pull.number}"
        counts = ["comments", "review_comments", "additions", "deletions", "changed_files"]
        return {
            "id": pull.id,
            "url": page,
            "number": pull.number,
            "user": self.account(pull.author),
            "title": pull.title,
            "body": pull.body,
            "labels": [],
            "milestone": None,
            "assignee": None,
            "assignees": None,
            "requested_reviewers": None,
            "requested_reviewers_teams": None,
            "state": pull.state,
            "draft": pull.draft,
            "is_locked": False,
            **dict.fromkeys(counts, 0),
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "mergeable": pull.merge_sha is not None,
            "merged": pull.merged is not None,
            "merged_at": time(pull.merged),
            # What it became, not what it would become.
            "merge_commit_sha": pull.merge_sha if pull.merged else None,
            "merged_by": None,
            "allow_maintainer_edit": False,
            "base": self._side(pull.base, pull.base_branch, pull.base_sha),
            "head": self._side(pull.head, pull.head_branch, pull.head_sha),
            "merge_base": pull.base_sha,
            "due_date": None,
            "created_at": time(pull.created),
            "updated_at": time(pull.updated),
            "closed_at": time(pull.closed),
            "pin_order": 0,
            "flow": 0,
        }

    def _side(self, repository: Repository, branch: str, sha: str) -> dict[str, Any]:
        return {
            "label": branch,
            "ref": branch,
            "sha": sha,
            "repo_id": repository.id,
            "repo": self.repository(repository, "read"),
        }

    def issue(self, pull: PullRequest) -> dict[str, Any]:
        """A pull request as the issue that it is, too."""
        shown = self.pull(pull)
        same = [
            *("id", "url", "html_url", "number", "user", "title", "body", "labels", "milestone"),
            *("assignee", "assignees", "state", "is_locked", "comments", "created_at"),
            *("updated_at", "closed_at", "due_date", "pin_order"),
        ]
        repository = pull.base
        return {
            **{key: shown[key] for key in same},
            "original_author": "",
            "original_author_id": 0,
            "ref": "",
            "assets": [],
            "pull_request": {
                "merged": shown["merged"],
                "merged_at": shown["merged_at"],
                "draft": pull.draft,
                "html_url": shown["html_url"],
            },
            "repository": {
                "id": repository.id,
                "name": repository.name,
                "owner": repository.owner.login,
                "full_name": repository.full_name,
            },
        }

    def comment(self, comment: Comment) -> dict[str, Any]:
        page = f"{self.url}/{comment.pull.base.full_name}/pulls/{comment.pull.number}"
        return {
            "id": comment.id,
            "html_url": f"{page}#issuecomment-{comment.id}",
            "pull_request_url": page,
            "issue_url": "",
            "user": self.account(comment.author),
            "original_author": "",
            "original_author_id": 0,
            "body": comment.body,
            "assets": [],
            "created_at": time(comment.created),
            "updated_at": time(comment.created),
        }

    def hook(self, hook: Hook) -> dict[str, Any]:
        """The secret is never shown."""
        return {
            "id": hook.id,
            "type": hook.kind,
            "branch_filter": hook.branch_filter,
            "config": {"content_type": hook.content_type, "url": hook.url},
            "events": hook.events,
            "authorization_header": hook.authorization_header,
            "active": hook.active,
            "updated_at": time(hook.updated),
            "created_at": time(hook.created),
        }

    def status(self, repository: Repository, status: Status) -> dict[str, Any]:
        return {
            "id": status.id,
            "status": status.state,
            "target_url": status.target_url,
            "description": status.description,
            "url": f"{self.api}/repos/{repository.full_name}/statuses/{status.sha}",
            "context": status.context,
            "creator": self.account(status.creator),
            "created_at": time(status.created),
            "updated_at": time(status.created),
        }


FEATURES = ["issues", "pull_requests", "projects", "releases", "packages", "actions"]
WAYS_TO_MERGE = ["merge_commits", "rebase", "rebase_explicit", "squash_merge", "rebase_update"]


def permissions(level: str) -> dict[str, bool]:
    """What a repository's JSON says about the caller."""
    return {
        "admin": level == "admin",
        "push": level in ("write", "admin"),
        "pull": level != "none",
    }
