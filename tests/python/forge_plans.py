"""A plan with projects of forges, and what is delivered to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from buildbot_nix._native import ForgeRepository, Plan, load_plan

SECRET = "hunter2"
OLD, NEW, NEWER = "a" * 40, "b" * 40, "c" * 40


def repository(
    forge: str = "github",
    full_name: str = "team/site",
    number: int = 17,
    private: bool = False,
) -> ForgeRepository:
    """A repository as discovery finds it."""
    host = {"github": "github.com", "gitea": "git.example.org"}[forge]
    text = {
        "forge": forge,
        "id": number,
        "full_name": full_name,
        "owner_kind": "organization",
        "html_url": f"https://{host}/{full_name}",
        "clone_url": f"https://{host}/{full_name}.git",
        "ssh_url": f"git@{host}:{full_name}.git",
        "default_branch": "main",
        "topics": [],
        "private": private,
        "installation": None,
    }
    return ForgeRepository.restore(json.dumps(text))


def forge_plan(folder: Path, *repositories: ForgeRepository, **settings: object) -> Plan:
    """The plan of a master with GitHub and Gitea."""
    for name in ("webhook-secret", "token"):
        (folder / name).write_text(f"{SECRET}\n")
    forge = {"token_file": "./token", "webhook_secret_file": "./webhook-secret"}
    written = {
        "url": "http://ci.example/",
        "build_systems": ["x86_64-linux"],
        "local_workers": 1,
        "github": forge,
        "gitea": {"instance_url": "https://git.example.org", **forge},
        **settings,
    }
    (folder / "settings.json").write_text(json.dumps(written))
    return load_plan(str(folder / "settings.json")).with_repositories(list(repositories))


def push(after: str = NEW, before: str = OLD, **more: object) -> dict[str, Any]:
    """A push to ``main`` of ``team/site``, as GitHub tells it."""
    person = {"name": "Alice", "email": "alice@example.org"}
    commit = {
        "id": after,
        "message": "Say hello",
        "url": f"https://github.com/team/site/commit/{after}",
        "timestamp": "2026-05-15T15:20:41+02:00",
        "author": person,
        "committer": person,
        "added": [],
        "removed": [],
        "modified": ["flake.nix"],
    }
    return {
        "ref": "refs/heads/main",
        "before": before,
        "after": after,
        "head_commit": commit,
        "commits": [commit],
        "repository": event_repository(),
        "sender": {"login": "alice", "type": "User"},
        **more,
    }


def pull_request(action: str = "opened", head: str = NEW, **more: object) -> dict[str, Any]:
    """Something about pull request 7 of ``team/site`` from a fork, as GitHub tells it."""
    fork = {**event_repository(), "id": 44, "full_name": "bob/site", "owner": {"login": "bob"}}
    return {
        "action": action,
        "number": 7,
        "pull_request": {
            "id": 900,
            "number": 7,
            "title": "Add a page",
            "body": None,
            "html_url": "https://github.com/team/site/pull/7",
            "user": {"login": "bob", "type": "User"},
            "draft": False,
            "head": {"ref": "page", "sha": head, "repo": fork},
            "base": {"ref": "main", "sha": OLD, "repo": event_repository()},
            "author_association": "NONE",
        },
        "repository": event_repository(),
        "sender": {"login": "bob", "type": "User"},
        **more,
    }


def event_repository() -> dict[str, Any]:
    """``team/site`` as events have it."""
    return {
        "id": 17,
        "name": "site",
        "full_name": "team/site",
        "owner": {"login": "team"},
        "html_url": "https://github.com/team/site",
        "ssh_url": "git@github.com:team/site.git",
        "default_branch": "main",
    }


def headers(body: bytes, event: str, delivery: str, secret: str = SECRET) -> dict[str, str]:
    """Those with which GitHub delivers ``body``."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": f"sha256={digest}",
    }
