"""What Gitea and Forgejo send to webhooks when something happens.

Names, fields and order are those of `modules/structs/hook.go`, `modules/webhook/type.go` and
`services/repository/push.go` of Gitea 1.22.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.git_views import new_commits
from tests.fakes.gitea.views import Views
from tests.fakes.model import NO_COMMIT
from tests.fakes.stories import Event


@dataclass
class Message:
    """One webhook: the event, which kind of it, and the payload."""

    event: str
    kind: str
    payload: dict[str, Any]


def messages(views: Views, event: Event) -> list[Message]:
    """What is sent because of an event, to those who have subscribed to it."""
    common = {
        "repository": views.repository(event.repository),
        "sender": views.account(event.by),
    }
    made = MAKERS.get(event.kind, _nothing)(views, event)
    return [Message(each.event, each.kind, {**each.payload, **common}) for each in made]


def _nothing(views: Views, event: Event) -> list[Message]:
    """Hooks of repositories are not told what becomes of the repository."""
    return []


def _push(views: Views, event: Event) -> list[Message]:
    repository, before, after = event.repository, event.before, event.after
    is_tag = event.ref.startswith("refs/tags/")
    name = event.ref.split("/", 2)[2]
    common = {"ref": name, "ref_type": "tag" if is_tag else "branch"}
    found = []
    if before == NO_COMMIT:
        found.append(Message("create", "create", {"sha": after, **common}))
    if after == NO_COMMIT:
        found.append(Message("delete", "delete", {"pusher_type": "user", **common}))
        if not is_tag:
            return found
    commits = [] if is_tag else new_commits(repository, before, after)
    pushed = [views.pushed_commit(repository, each) for each in reversed(commits)]
    push = {
        "ref": event.ref,
        "before": before,
        "after": after,
        "compare_url": f"{views.url}/{repository.full_name}/compare/{before}...{after}",
        "commits": pushed,
        "total_commits": len(pushed),
        "head_commit": None if after == NO_COMMIT else views.pushed_commit(repository, after),
        "pusher": views.account(event.by),
    }
    return [*found, Message("push", "push", push)]


#: Actions and kinds of what Gitea calls otherwise than GitHub.
ACTIONS = {
    "synchronize": ("synchronized", "pull_request_sync"),
    # It is no draft when its title says so no more.
    "ready_for_review": ("edited", "pull_request"),
}


def _pull(views: Views, event: Event) -> list[Message]:
    pull = event.pull
    action, kind = ACTIONS.get(event.action, (event.action, "pull_request"))
    payload = {
        "action": action,
        "number": pull.number,
        "pull_request": views.pull(pull),
        "requested_reviewer": None,
        "commit_id": "",
        "review": None,
    }
    if action == "edited":
        former = event.facts.get("former_title", f"WIP: {pull.title}")
        payload["changes"] = {"title": {"from": former}}
    return [Message("pull_request", kind, payload)]


def _comment(views: Views, event: Event) -> list[Message]:
    payload = {
        "action": "created",
        "issue": views.issue(event.pull),
        "comment": views.comment(event.comment),
        "is_pull": True,
    }
    return [Message("issue_comment", "pull_request_comment", payload)]


MAKERS: dict[str, Callable[[Views, Event], list[Message]]] = {
    "push": _push,
    "pull": _pull,
    "comment": _comment,
}


def wants(events: list[str], kind: str) -> bool:
    """Whether a hook with these events is told of that kind."""
    if kind == "pull_request":
        return bool({"pull_request", "pull_request_only"} & set(events))
    if kind.startswith("pull_request_"):
        return bool({"pull_request", kind} & set(events))
    return kind in events


def documented() -> dict[str, Any]:
    """The messages in the terms of an OpenAPI document, with what it knows of their parts."""

    def of(name: str) -> dict[str, str]:
        return {"$ref": f"#/definitions/{name}"}

    text = {"type": "string"}
    common = {"repository": of("Repository"), "sender": of("User")}
    title = {"type": "object", "properties": {"from": text}, "required": ["from"]}
    changes = {"type": "object", "properties": {"title": title, "body": title, "ref": title}}
    bodies: dict[str, dict[str, Any]] = {
        "push": {
            **dict.fromkeys(["ref", "before", "after", "compare_url"], text),
            "commits": {"type": "array", "items": of("PayloadCommit")},
            "total_commits": {"type": "integer"},
            "head_commit": of("PayloadCommit"),
            "pusher": of("User"),
        },
        "create": dict.fromkeys(["sha", "ref", "ref_type"], text),
        "delete": dict.fromkeys(["pusher_type", "ref", "ref_type"], text),
        "pull_request": {
            "action": text,
            "number": {"type": "integer"},
            "changes": changes,
            "pull_request": of("PullRequest"),
            "commit_id": text,
        },
        "issue_comment": {
            "action": text,
            "changes": changes,
            "issue": of("Issue"),
            "comment": of("Comment"),
            "is_pull": {"type": "boolean"},
        },
    }
    optional = {"changes", "head_commit"}
    return {
        name: {
            "post": {
                "parameters": [
                    {
                        "name": "body",
                        "in": "body",
                        "schema": {
                            "type": "object",
                            "properties": {**fields, **common},
                            "required": sorted({*fields, *common} - optional),
                            "additionalProperties": False,
                        },
                    }
                ]
            }
        }
        for name, fields in bodies.items()
    }
