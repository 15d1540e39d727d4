"""How GitHub shows repositories, commits and pull requests."""

from __future__ import annotations

from typing import Any

from tests.fakes.git_views import changed_files, commit_details
from tests.fakes.github.views.accounts import AccountViews
from tests.fakes.github.views.common import node_id, time
from tests.fakes.model import Account, Comment, PullRequest, Repository

#: Addresses that a repository's JSON has, below its own.
REPOSITORY_LINKS = {
    "archive": "/{archive_format}{/ref}",
    "assignees": "/assignees{/user}",
    "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}",
    "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}",
    "commits": "/commits{/sha}",
    "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}",
    "contributors": "/contributors",
    "deployments": "/deployments",
    "downloads": "/downloads",
    "events": "/events",
    "forks": "/forks",
    "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}",
    "git_tags": "/git/tags{/sha}",
    "hooks": "/hooks",
    "issue_comment": "/issues/comments{/number}",
    "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}",
    "keys": "/keys{/key_id}",
    "labels": "/labels{/name}",
    "languages": "/languages",
    "merges": "/merges",
    "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}",
    "pulls": "/pulls{/number}",
    "releases": "/releases{/id}",
    "stargazers": "/stargazers",
    "statuses": "/statuses/{sha}",
    "subscribers": "/subscribers",
    "subscription": "/subscription",
    "tags": "/tags",
    "teams": "/teams",
    "trees": "/git/trees{/sha}",
}


class RepositoryViews(AccountViews):
    """Makes JSON."""

    def repository(self, repository: Repository, level: str | None = None) -> dict[str, Any]:
        """With what the caller may do, if there is one."""
        own = f"{self.api}/repos/{repository.full_name}"
        page = f"{self.url}/{repository.full_name}"
        host = self.url.partition("://")[2]
        shown: dict[str, Any] = {
            "id": repository.id,
            "node_id": node_id("Repository", repository.id),
            "name": repository.name,
            "full_name": repository.full_name,
            "owner": self.account(repository.owner),
            "private": repository.private,
            "visibility": "private" if repository.private else "public",
            "html_url": page,
            "description": repository.description or None,
            "fork": repository.parent is not None,
            "url": own,
            **{f"{name}_url": own + path for name, path in REPOSITORY_LINKS.items()},
            "clone_url": f"{page}.git",
            "git_url": f"git://{host}/{repository.full_name}.git",
            "ssh_url": f"git@{host.partition(':')[0]}:{repository.full_name}.git",
            "svn_url": page,
            "homepage": None,
            "language": "Nix",
            "license": None,
            "mirror_url": None,
            "default_branch": repository.default_branch,
            "topics": repository.topics,
            "archived": repository.archived,
            "disabled": repository.disabled,
            "has_issues": True,
            "has_projects": True,
            "has_wiki": False,
            "has_pages": False,
            "has_downloads": True,
            "has_discussions": False,
            "allow_forking": True,
            "is_template": False,
            "web_commit_signoff_required": False,
            "size": 0 if repository.is_empty else 1,
            **dict.fromkeys(
                [
                    *("forks", "forks_count", "open_issues", "open_issues_count"),
                    *("stargazers_count", "watchers", "watchers_count"),
                ],
                0,
            ),
            "created_at": time(repository.created),
            "updated_at": time(repository.pushed or repository.created),
            "pushed_at": time(repository.pushed or repository.created),
        }
        if level is not None:
            shown["permissions"] = permissions(level)
        return shown

    def whole_repository(self, repository: Repository, level: str) -> dict[str, Any]:
        """As it is shown alone."""
        shown = self.repository(repository, level)
        shown |= {"network_count": 0, "subscribers_count": 0}
        if repository.owner.is_organization:
            shown["organization"] = self.account(repository.owner)
        return shown

    def commit(self, repository: Repository, sha: str) -> dict[str, Any]:
        own = f"{self.api}/repos/{repository.full_name}"
        page = f"{self.url}/{repository.full_name}/commit"
        details = commit_details(repository, sha)
        person = {"name": details.name, "email": details.email, "date": details.date}
        return {
            "sha": sha,
            "node_id": node_id("Commit" + sha, 0),
            "url": f"{own}/commits/{sha}",
            "html_url": f"{page}/{sha}",
            "comments_url": f"{own}/commits/{sha}/comments",
            "commit": {
                "author": person,
                "committer": person,
                "message": details.message,
                "tree": {"sha": details.tree, "url": f"{own}/git/trees/{details.tree}"},
                "url": f"{own}/git/commits/{sha}",
                "comment_count": 0,
                "verification": {
                    "verified": False,
                    "reason": "unsigned",
                    "signature": None,
                    "payload": None,
                    "verified_at": None,
                },
            },
            "author": None,
            "committer": None,
            "parents": [
                {"sha": each, "url": f"{own}/commits/{each}", "html_url": f"{page}/{each}"}
                for each in details.parents
            ],
        }

    def ref(self, repository: Repository, ref: str, sha: str) -> dict[str, Any]:
        own = f"{self.api}/repos/{repository.full_name}/git"
        return {
            "ref": ref,
            "node_id": node_id(ref, 0),
            "url": f"{own}/{ref}",
            "object": {"type": "commit", "sha": sha, "url": f"{own}/commits/{sha}"},
        }

    def simple_commit(self, repository: Repository, sha: str) -> dict[str, Any]:
        """As webhooks show it."""
        details = commit_details(repository, sha)
        person = {"name": details.name, "email": details.email}
        return {
            "id": sha,
            "tree_id": details.tree,
            "message": details.message,
            "timestamp": details.date,
            "author": person,
            "committer": person,
        }

    def pushed_commit(self, repository: Repository, sha: str) -> dict[str, Any]:
        """As pushes show it."""
        return {
            **self.simple_commit(repository, sha),
            "distinct": True,
            "url": f"{self.url}/{repository.full_name}/commit/{sha}",
            **changed_files(repository, sha),
        }

    def pull(self, pull: PullRequest) -> dict[str, Any]:
        """As lists and webhooks show it."""
        repository = f"{self.api}/repos/{pull.base.full_name}"
        own = f"{repository}/pulls/{pull.number}"
        issue = f"{repository}/issues/{pull.number}"
        page = f"{self.url}/{pull.base.full_name}/pull/{pull.number}"
        links = {
            "self": own,
            "html": page,
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{own}/comments",
            "review_comment": f"{repository}/pulls/comments{{/number}}",
            "commits": f"{own}/commits",
            "statuses": f"{repository}/statuses/{pull.head_sha}",
        }
        return {
            "id": pull.id,
            "node_id": node_id("PullRequest", pull.id),
            "number": pull.number,
            "url": own,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            **{f"{name}_url": links[name] for name in links if name not in ("self", "html")},
            "_links": {name: {"href": href} for name, href in links.items()},
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "user": self.account(pull.author),
            "body": pull.body or None,
            "draft": pull.draft,
            "labels": [self._label(pull, name) for name in pull.labels],
            "head": self._side(pull.head, pull.head_branch, pull.head_sha),
            "base": self._side(pull.base, pull.base_branch, pull.base_sha),
            "author_association": association(pull.base, pull.author),
            **dict.fromkeys(["assignee", "milestone", "auto_merge", "active_lock_reason"], None),
            **{key: [] for key in ("assignees", "requested_reviewers", "requested_teams")},
            "merge_commit_sha": pull.merge_sha,
            "created_at": time(pull.created),
            "updated_at": time(pull.updated),
            "closed_at": time(pull.closed),
            "merged_at": time(pull.merged),
        }

    def whole_pull(self, pull: PullRequest) -> dict[str, Any]:
        """As it is shown alone."""
        counts = ["additions", "comments", "deletions", "review_comments"]
        return {
            **self.pull(pull),
            "merged": pull.merged is not None,
            "mergeable": pull.merge_sha is not None,
            "mergeable_state": "clean" if pull.merge_sha else "dirty",
            "rebaseable": pull.merge_sha is not None,
            "maintainer_can_modify": pull.is_fork,
            "merged_by": None,
            "changed_files": 1,
            "commits": 1,
            **dict.fromkeys(counts, 0),
        }

    def _side(self, repository: Repository, branch: str, sha: str) -> dict[str, Any]:
        return {
            "label": f"{repository.owner.login}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.account(repository.owner),
            "repo": self.repository(repository),
        }

    def _label(self, pull: PullRequest, name: str) -> dict[str, Any]:
        number = sum(name.encode())
        return {
            "id": number,
            "node_id": node_id("Label", number),
            "url": f"{self.api}/repos/{pull.base.full_name}/labels/{name}",
            "name": name,
            "description": None,
            "color": "f29513",
            "default": False,
        }

    def comment(self, comment: Comment) -> dict[str, Any]:
        repository = f"{self.api}/repos/{comment.pull.base.full_name}"
        page = f"{self.url}/{comment.pull.base.full_name}/pull/{comment.pull.number}"
        own = f"{repository}/issues/comments/{comment.id}"
        return {
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "url": own,
            "html_url": f"{page}#issuecomment-{comment.id}",
            "issue_url": f"{repository}/issues/{comment.pull.number}",
            "body": comment.body,
            "user": self.account(comment.author),
            "created_at": time(comment.created),
            "updated_at": time(comment.created),
            "author_association": association(comment.pull.base, comment.author),
            "performed_via_github_app": None,
            "reactions": reactions(f"{own}/reactions"),
        }


def permissions(level: str) -> dict[str, bool]:
    """What a repository's JSON says about the caller."""
    writes, admin = level in ("write", "admin"), level == "admin"
    return {
        "admin": admin,
        "maintain": admin,
        "push": writes,
        "triage": writes,
        "pull": level != "none",
    }


def association(repository: Repository, account: Account) -> str:
    """What an author is to a repository."""
    if account is repository.owner:
        return "OWNER"
    if account.login in repository.owner.members:
        return "MEMBER"
    if account.login in repository.collaborators:
        return "COLLABORATOR"
    merged = any(pull.merged and pull.author is account for pull in repository.pulls)
    return "CONTRIBUTOR" if merged else "FIRST_TIME_CONTRIBUTOR"


def reactions(url: str) -> dict[str, Any]:
    """None, of each kind."""
    kinds = ["+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"]
    return {"url": url, "total_count": 0, **dict.fromkeys(kinds, 0)}
