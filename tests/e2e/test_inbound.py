"""From what happens on a forge to evaluations: repositories are found, heard and caught up with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import faults
from tests.fakes.forge import Forge
from tests.fakes.gitea import Gitea
from tests.fakes.github import GitHub
from tests.fakes.github.apps import App
from tests.fakes.model import PullRequest, Repository
from tests.instance import Instance
from tests.repository import flake
from tests.rest import Build
from tests.waiting import wait_until

TOPIC = "build-with-buildbot"
SECRET = "a secret of webhooks"


class Place:
    """A forge, its first repository, and the master that builds it."""

    def __init__(self, instance: Instance, forge: Forge, app: App | None) -> None:
        self.instance = instance
        self.forge = forge
        self.app = app
        self.repository = self.create(f"{forge.name}-team/site")

    def create(self, name: str, checks: str = '  one = ok "one";') -> Repository:
        """A repository that is to be built."""
        return self.forge.create_repository(name, flake(checks), topics=[TOPIC])

    def head(self, branch: str = "main") -> str:
        head = self.repository.branch(branch)
        assert head is not None
        return head

    def evaluation(self, revision: str, project: str | None = None) -> Build:
        """That of a commit, when it has ended."""
        return self.instance.wait_for_build(project or self.repository.full_name, revision)

    def evaluations(self) -> int:
        return len(self.instance.evaluations(self.repository.full_name))

    def pull(self, text: str, **more: Any) -> PullRequest:
        """A pull request from a fork."""
        return self.forge.open_pull_request(
            self.repository, {"text": text}, by="mallory", fork=True, **more
        )

    def settle(self) -> None:
        """All that the forge has to tell is delivered."""
        self.forge.deliveries.settle()


@pytest.fixture(scope="module")
def both() -> Iterator[dict[str, Place]]:
    """One master for both forges."""
    with (
        Instance("inbound") as instance,
        GitHub(compared=False) as github,
        Gitea(compared=False, prefix="/git") as gitea,
    ):
        secret, key, token = (instance.folder / name for name in ("hooks", "key", "token"))
        secret.write_text(SECRET)
        app = github.create_app()
        key.write_text(app.key)
        gitea.user("bot")
        admin = gitea.personal_token("bot", "write:repository", "write:user", "read:organization")
        token.write_text(admin.text)
        common = {"webhook_secret_file": str(secret), "filters": {"topic": TOPIC}}
        instance.settings["github"] = {
            "id": app.id,
            "secret_key_file": str(key),
            "instance_url": github.url,
            "api_url": github.api_url,
            **common,
        }
        instance.settings["gitea"] = {
            "instance_url": gitea.url,
            "token_file": str(token),
            **common,
        }
        for forge in (github, gitea):
            forge.organization(f"{forge.name}-team", admins=["bot"])
        places = {
            "github": Place(instance, github, app),
            "gitea": Place(instance, gitea, None),
        }
        github.install(app, "github-team")
        instance.start()
        instance.start_worker()
        yield places


@pytest.fixture(scope="module", params=["github", "gitea"])
def place(both: dict[str, Place], request: pytest.FixtureRequest) -> Place:
    return both[request.param]


def test_what_is_found_is_built(place: Place) -> None:
    build = place.evaluation(place.head())
    assert build.result == "success", build.texts()
    assert len(place.repository.hooks) == 1


def test_a_push_is_built(place: Place) -> None:
    head = place.forge.push(place.repository, {"text": "pushed"})
    build = place.evaluation(head)
    assert build.result == "success", build.texts()
    assert build.properties["branch"] == "main"
    assert build.properties["event"] == "push"
    assert build.properties["tested_on_branch"] == "yes"


def test_a_pull_request_is_merged_and_gets_no_trust(place: Place) -> None:
    pull = place.pull("proposed", branch="main")
    build = place.evaluation(pull.head_sha)
    assert build.result == "success", build.texts()
    assert build.properties["event"] == "pull_request"
    assert build.properties["merged_base"] == place.head()
    assert build.properties["tested_on_branch"] == "no"
    # Not even of the name, which its author has chosen.
    assert str(build.properties["branch"]).startswith(f"refs/pull/{pull.number}/")


def test_what_is_found_later_is_built_without_a_restart(place: Place) -> None:
    later = place.create(f"{place.forge.name}-team/later")
    head = later.branch("main")
    assert head is not None
    scheduler = f"reload-{place.forge.name}-projects"
    place.instance.rest.control(f"forceschedulers/{scheduler}", "force")
    builder = f"{later.full_name}/nix-eval"
    wait_until("its builder", lambda: place.instance.rest.get("builders", name=builder))
    assert place.evaluation(head, later.full_name).result == "success"
    assert len(later.hooks) == 1


def test_a_master_starts_while_its_forges_are_down(both: dict[str, Place]) -> None:
    [github, gitea] = both.values()
    instance = github.instance
    for place in (github, gitea):
        place.forge.fail("*", "*", faults.reset(), times=None)
    try:
        instance.kill_master()
        instance.launch()
        instance.wait_until_it_answers()
        names = {builder["name"] for builder in instance.rest.get("builders")}
    finally:
        for place in (github, gitea):
            place.forge.recover()
    assert {f"{place.repository.full_name}/nix-eval" for place in (github, gitea)} <= names
