"""GitHub's own example payloads, from npm's `@octokit/webhooks-examples`: each is understood or
acknowledged."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildbot_nix._native import ForgeKind, Plan, load_plan
from tests.fakes import documents

SECRET = "hush-examples-03f1"
#: What the events are called that mean something to us.
MEANT = {
    "check_run": {"rerun", "other"},
    "check_suite": {"rerun", "other"},
    "create": {"other", "tag"},
    "delete": {"other", "branch_deleted", "tag"},
    "installation": {"installation"},
    "installation_repositories": {"installation"},
    "issue_comment": {"comment", "other"},
    "merge_group": {"merge_group"},
    "ping": {"ping"},
    "public": {"other", "repository_changed"},
    "pull_request": {"pull_request", "other"},
    "push": {"push", "tag", "branch_deleted"},
    "repository": {"repository_changed"},
}


def examples() -> Iterator[Any]:
    """Name of the event and payload, of each."""
    path = documents.FOLDER / "webhooks.json"
    if not path.exists():
        # Collected without having been set up.
        return
    for event in json.loads(path.read_text()):
        for number, payload in enumerate(event["examples"]):
            action = payload.get("action", "")
            yield pytest.param(event["name"], payload, id=f"{event['name']}-{action}-{number}")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder: Path = tmp_path_factory.mktemp("examples")
    (folder / "hook").write_text(SECRET)
    (folder / "key").write_text("none that is needed here")
    settings = {
        "url": "http://ci.example/",
        "build_systems": ["x86_64-linux"],
        "local_workers": 1,
        "github": {
            "id": 1,
            "secret_key_file": str(folder / "key"),
            "webhook_secret_file": str(folder / "hook"),
        },
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return load_plan(str(folder / "settings.json"))


def test_there_are_all_examples() -> None:
    assert len(list(examples())) > 300


@pytest.mark.parametrize(("event", "payload"), list(examples()))
def test_examples_are_understood_or_acknowledged(
    plan: Plan, event: str, payload: dict[str, Any]
) -> None:
    body = json.dumps(payload).encode()
    headers = {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": "f6266f16-1bf3-46a5-9ea4-602e06ead473",
        "x-hub-signature-256": "sha256="
        + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
    }
    delivery = plan.receive(ForgeKind.Github, headers, body)
    understood = json.loads(delivery.text)["event"]
    assert understood["event"] in MEANT.get(event, {"other"})
    if understood["event"] == "push":
        assert understood["after"] == payload["after"]
        assert f"refs/heads/{understood['branch']}" == payload["ref"]
    if understood["event"] == "pull_request":
        assert understood["pull_request"]["number"] == payload["number"]
        assert understood["pull_request"]["head"]["sha"] == payload["pull_request"]["head"]["sha"]
    if delivery.repository is not None:
        assert delivery.repository == payload["repository"]["full_name"]
    # Nothing of it is built here, whatever it is.
    assert plan.decide(delivery).change is None
