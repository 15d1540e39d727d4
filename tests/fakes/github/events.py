"""What GitHub sends to webhooks when something happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.fakes.git_views import is_ancestor, new_commits
from tests.fakes.model import NO_COMMIT, Account
from tests.fakes.stories import Event

if TYPE_CHECKING:
    from tests.fakes.github.views import Views

#: Webhooks that are sent, as the official document names them.
WEBHOOKS = [
    "check-run-rerequested",
    "create",
    "delete",
    "installation-created",
    "installation-deleted",
    "installation-repositories-added",
    "installation-repositories-removed",
    "installation-suspend",
    "installation-unsuspend",
    "issue-comment-created",
    "merge-group-checks-requested",
    "merge-group-destroyed",
    "ping",
    "pull-request-closed",
    "pull-request-edited",
    "pull-request-opened",
    "pull-request-ready-for-review",
    "pull-request-reopened",
    "pull-request-synchronize",
    "push",
    "repository-archived",
    "repository-created",
    "repository-deleted",
    "repository-edited",
    "repository-renamed",
    "repository-transferred",
    "repository-unarchived",
]

#: Name of the event and its payload.
Payload = tuple[str, dict[str, Any]]


def payloads(views: Views, event: Event) -> list[Payload]:
    """What is sent because of an event, to those who have subscribed to it."""
    common: dict[str, Any] = {
        "repository": views.repository(event.repository),
        "sender": views.account(event.by),
    }
    owner = event.repository.owner
    if owner.is_organization:
        common["organization"] = views.organization(owner)
    return [(name, {**payload, **common}) for name, payload in MAKERS[event.kind](views, event)]


def _push(views: Views, event: Event) -> list[Payload]:
    repository, before, after = event.repository, event.before, event.after
    deleted, created = after == NO_COMMIT, before == NO_COMMIT
    is_tag = event.ref.startswith("refs/tags/")
    name = event.ref.split("/", 2)[2]
    commits = [] if deleted or is_tag else new_commits(repository, before, after)
    pushed = [views.pushed_commit(repository, each) for each in commits]
    forced = not deleted and not created and not is_ancestor(repository, before, after)
    push = {
        "ref": event.ref,
        "before": before,
        "after": after,
        "base_ref": None,
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "compare": f"{views.url}/{repository.full_name}/compare/{before[:12]}...{after[:12]}",
        "commits": pushed,
        "head_commit": None if deleted else views.pushed_commit(repository, after),
        "pusher": {"name": event.by.login, "email": event.by.email},
    }
    found: list[Payload] = [("push", push)]
    common = {"ref": name, "ref_type": "tag" if is_tag else "branch", "pusher_type": "user"}
    if created:
        more = {"master_branch": repository.default_branch, "description": None}
        found.append(("create", {**common, **more}))
    if deleted:
        found.append(("delete", common))
    return found


def _pull(views: Views, event: Event) -> list[Payload]:
    pull = event.pull
    payload = {
        "action": event.action,
        "number": pull.number,
        "pull_request": views.whole_pull(pull),
    }
    if event.action == "synchronize":
        payload |= {"before": event.former_sha, "after": pull.head_sha}
    if event.action == "edited":
        payload["changes"] = {"title": {"from": event.former_title}}
    return [("pull_request", payload)]


def _comment(views: Views, event: Event) -> list[Payload]:
    comment, pull = event.comment, event.pull
    shown = views.pull(pull)
    own = f"{views.api}/repos/{pull.base.full_name}/issues/{pull.number}"
    kept = [
        *("id", "node_id", "number", "html_url", "state", "locked", "title", "user", "body"),
        *("draft", "labels", "author_association", "assignee", "assignees", "milestone"),
        *("active_lock_reason", "created_at", "updated_at", "closed_at"),
    ]
    links = {
        "labels_url": own + "/labels{/name}",
        "comments_url": f"{own}/comments",
        "events_url": f"{own}/events",
        "timeline_url": f"{own}/timeline",
        "repository_url": f"{views.api}/repos/{pull.base.full_name}",
    }
    names = ("url", "html_url", "diff_url", "patch_url")
    issue = {
        **{key: shown[key] for key in kept},
        **links,
        "url": own,
        "comments": len(pull.base.comments),
        "reactions": views.comment(comment)["reactions"],
        "performed_via_github_app": None,
        "pull_request": {name: shown[name] for name in names},
    }
    made = {"action": "created", "issue": issue, "comment": views.comment(comment)}
    return [("issue_comment", made)]


def _repository(views: Views, event: Event) -> list[Payload]:
    payload: dict[str, Any] = {"action": event.action}
    if event.action == "renamed":
        payload["changes"] = {"repository": {"name": {"from": event.former_name}}}
    if event.action == "transferred":
        payload["changes"] = {"owner": {"from": former_owner(views, event.former_owner)}}
    if event.action == "edited":
        payload["changes"] = {"topics": {"from": event.former_topics}}
    return [("repository", payload)]


def former_owner(views: Views, account: Account) -> dict[str, Any]:
    """Who had a repository before."""
    if account.is_organization:
        return {"organization": views.organization(account)}
    return {"user": views.account(account)}


def _merge_group(views: Views, event: Event) -> list[Payload]:
    group = {
        "head_sha": event.head_sha,
        "head_ref": event.head_ref,
        "base_sha": event.base_sha,
        "base_ref": event.base_ref,
        "head_commit": views.simple_commit(event.repository, event.head_sha),
    }
    payload = {"action": event.action, "merge_group": group}
    if event.action == "destroyed":
        payload["reason"] = event.reason
    return [("merge_group", payload)]


def _check_run(views: Views, event: Event) -> list[Payload]:
    repository, run = event.repository, event.run
    shown = views.check_run(repository, run)
    shown["check_suite"] = {
        "id": run.id,
        "node_id": shown["node_id"],
        "head_branch": repository.default_branch,
        "head_sha": run.head_sha,
        "status": run.status,
        "conclusion": run.conclusion,
        "url": f"{views.api}/repos/{repository.full_name}/check-suites/{run.id}",
        "before": None,
        "after": run.head_sha,
        "pull_requests": [],
        "app": shown["app"],
    }
    return [("check_run", {"action": event.action, "check_run": shown})]


MAKERS: dict[str, Callable[[Any, Event], list[Payload]]] = {
    "push": _push,
    "pull": _pull,
    "comment": _comment,
    "repository": _repository,
    "merge_group": _merge_group,
    "check_run": _check_run,
}
