"""The clients of the forges against their doubles, with the official documents between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from buildbot_nix import errors
from buildbot_nix._native import (
    CheckRun,
    ForgeKind,
    ForgeRepository,
    Forges,
    Permission,
    Plan,
    StatusState,
    load_plan,
)
from tests.e2e.world import ORGANIZATION, TOPIC, World
from tests.fakes import faults
from tests.fakes.forge import Forge
from tests.fakes.model import Repository

#: Of the repository on both.
NAME = f"{ORGANIZATION}/clients"
KINDS = {"github": ForgeKind.Github, "gitea": ForgeKind.Gitea}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Both forges, without a master. On each is a private repository with a stranger's draft."""
    made = World("forge-clients")
    try:
        for forge in made.forges.values():
            repository = forge.create_repository(NAME, {"a": "1"}, topics=[TOPIC], private=True)
            repository.collaborators[forge.user("carol").login] = "write"
            forge.push(repository, {"b": "1"}, branch="feature/x")
            forge.open_pull_request(repository, {"c": "1"}, by="mallory", fork=True, draft=True)
            forge.team(ORGANIZATION, "Release Team" if forge.name == "gitea" else "ci", ["alice"])
        teams = [f"{ORGANIZATION}/ci", f"{ORGANIZATION}/release team", "elsewhere/ci"]
        made.instance.settings["members_by"] = teams
        made.instance.prepare()
        yield made
    finally:
        made.stop()


@pytest.fixture(params=["github", "gitea"])
def forge(world: World, request: pytest.FixtureRequest) -> Iterator[Forge]:
    forge = world.forges[request.param]
    yield forge
    forge.recover()
    forge.assert_valid()


@pytest.fixture
def forges(world: World) -> Iterator[Forges]:
    """New ones, which know nothing."""
    made = new_forges(world)
    yield made
    made.close()


def new_forges(world: World, memory: bytes | None = None) -> Forges:
    return Forges(plan_of(world), memory)


def plan_of(world: World) -> Plan:
    return load_plan(str(world.instance.master_folder / "settings.yaml"))


@pytest.fixture
def repository(forge: Forge) -> Repository:
    return forge.repository(NAME)


def find(forges: Forges, forge: Forge, name: str) -> ForgeRepository:
    found = forges.discover(KINDS[forge.name])
    assert found.notices == []
    return next(each for each in found.with_known([]) if each.full_name == name)


def post(forges: Forges, found: ForgeRepository, sha: str, description: str = "fine") -> None:
    forges.post_status(
        found,
        sha,
        context="buildbot/nix-eval",
        state=StatusState.Warning,
        description=description,
        target_url="http://127.0.0.1/#/builders/1/builds/1",
    )


def head_of(repository: Repository) -> str:
    sha = repository.branch("main")
    assert sha is not None
    return sha


def test_all_that_clients_ask(forges: Forges, forge: Forge, repository: Repository) -> None:
    found = find(forges, forge, repository.full_name)
    (pull,) = repository.pulls
    head = head_of(repository)
    assert forges.refresh(found).full_name == repository.full_name
    assert forges.branch_head(found, "main") == head
    assert forges.branch_head(found, "feature/x") == repository.branch("feature/x")
    assert forges.branch_head(found, "no/such") is None
    assert forges.branch_heads(found).keys() == {"main", "feature/x"}
    (asked,) = forges.open_pull_requests(found)
    assert asked.head_sha == forges.pull_request(found, 1).head_sha == pull.head_sha
    assert (asked.is_from_fork, asked.is_draft, asked.author) == (True, True, "mallory")
    assert forges.permission(found, "carol") == Permission.Write
    assert forges.permission(found, "nobody") == Permission.Nothing
    assert set(forges.members(found)) == {"alice", "ci"}
    post(forges, found, head, "x" * 200)
    (status,) = forge.statuses(repository, head).values()
    assert status.state == ("success" if forge.name == "github" else "warning")
    assert len(status.description) == 140


def test_who_has_logged_in_is_asked_after(
    world: World, forges: Forges, forge: Forge, repository: Repository
) -> None:
    found = find(forges, forge, repository.full_name)
    plan = plan_of(world)
    team = f"{ORGANIZATION}/{'ci' if forge.name == 'github' else 'release team'}"
    alice, mallory = forge.user("alice"), forge.user("mallory")

    def standing(id: int) -> tuple[str, list[str]] | None:
        told = forges.standing(plan, str(id), [found])
        return told and (told.login, told.memberships)

    assert standing(alice.id) == ("alice", [ORGANIZATION, team])
    assert standing(mallory.id) == ("mallory", [])
    assert standing(0) is None
    forge.rename_user("alice", "alicia")
    # Who takes the name is somebody else.
    forge.user("alice")
    assert standing(alice.id) == ("alicia", [ORGANIZATION, team])
    forge.rename_user("alice", "impostor")
    forge.rename_user("alicia", "alice")


def test_hooks_are_made_and_mended(
    world: World, forges: Forges, forge: Forge, repository: Repository
) -> None:
    found = find(forges, forge, repository.full_name)

    def ensure() -> tuple[bool, str | None]:
        (outcome,) = forges.ensure_hooks([found])
        return outcome.changed, outcome.error

    assert ensure() == (True, None)
    assert ensure() == (False, None)
    (hook,) = repository.hooks
    wanted = list(hook.events)
    assert hook.url == f"{world.instance.url}change_hook/{forge.name}"
    assert hook.content_type == "json" and hook.active and hook.secret
    for change in ({"events": ["push"]}, {"active": False}, {"content_type": "form"}):
        vars(hook).update(change)
        assert ensure() == (True, None), change
        (hook,) = repository.hooks
        assert (hook.events, hook.active, hook.content_type) == (wanted, True, "json")
        assert hook.secret, "a change has lost the secret"
    for is_there in (True, False):
        (outcome,) = forges.remove_hooks([found])
        assert (outcome.changed, outcome.error) == (is_there, None)
        assert repository.hooks == []


def test_credentials_are_for_one_repository(
    forges: Forges, forge: Forge, repository: Repository
) -> None:
    credentials = forges.git_credentials(find(forges, forge, repository.full_name))
    assert credentials is not None
    assert credentials.url == forge.clone_url(repository)
    # Gitea has no tokens for one repository.
    assert credentials.is_limited == (forge.name == "github")
    if not credentials.is_limited:
        return
    token = forge.tokens[credentials.password]
    assert token.repositories == {repository.id}
    assert token.permissions == {"metadata": "read", "contents": "read"}


@pytest.mark.parametrize(
    "act",
    [
        faults.refuse(500),
        faults.refuse(503, "Down", Retry_After="1"),
        faults.secondary_limit(1),
        faults.reset(),
        faults.lose_answer(),
        faults.cut_off(),
        faults.garbage(),
    ],
    ids=["500", "503", "secondary-limit", "reset", "lost-answer", "half", "garbage"],
)
def test_what_is_worth_another_try(
    forges: Forges, forge: Forge, repository: Repository, act: faults.Act
) -> None:
    found = find(forges, forge, repository.full_name)
    repository.statuses.clear()
    fault = forge.fail("POST", "*/statuses/*", act)
    try:
        post(forges, found, head_of(repository))
    except (errors.ForgeUnavailableError, errors.ForgeRateLimitedError):
        # Not at once, then: whoever called may come again.
        post(forges, found, head_of(repository))
    assert fault.seen == 1
    assert "buildbot/nix-eval" in forge.statuses(repository, head_of(repository))


def test_a_token_that_ends_early(forges: Forges, world: World) -> None:
    forge = world.github
    repository = forge.repository(NAME)
    found = find(forges, forge, repository.full_name)
    post(forges, found, head_of(repository))
    forge.expire_tokens()
    post(forges, found, head_of(repository))


@pytest.mark.parametrize("seconds", [-120, 120])
def test_clocks_that_differ(forges: Forges, world: World, seconds: int) -> None:
    world.github.clock_ahead = timedelta(seconds=seconds)
    try:
        found = forges.discover(ForgeKind.Github)
        (first, *_) = found.with_known([])
        assert forges.git_credentials(first) is not None
    finally:
        world.github.clock_ahead = timedelta()


def test_a_repository_that_moves(forges: Forges, forge: Forge) -> None:
    repository = forge.create_repository(f"{ORGANIZATION}/moving", {"a": "1"}, topics=[TOPIC])
    found = find(forges, forge, repository.full_name)
    forge.rename(repository, "moved")
    post(forges, found, head_of(repository))
    assert forges.refresh(found).full_name == f"{ORGANIZATION}/moved"
    forge.transfer(repository, "stranger")
    with pytest.raises((errors.ForgeNotFoundError, errors.ForgeAuthError)):
        post(forges, found, head_of(repository))


def test_a_list_that_shrinks_while_it_is_read(forges: Forges, forge: Forge) -> None:
    size = 100 if forge.name == "github" else 50
    made = [
        forge.create_repository(f"{ORGANIZATION}/shrinking-{number:03}", topics=[TOPIC])
        for number in range(2 * size)
    ]
    gone = []

    def shrink() -> None:
        if not gone:
            gone.extend(made[:10])
            for each in gone:
                forge.delete_repository(each)

    path = "/installation/repositories" if forge.name == "github" else "/user/repos"
    try:
        # Before the second page, so that what would begin it is on the first now.
        pages = iter([False, True])
        acting = faults.meanwhile(lambda: shrink() if next(pages, False) else None)
        forge.fail("GET", path, acting, times=None)
        found = forges.discover(KINDS[forge.name]).with_known([])
    finally:
        for each in made:
            forge.repositories.pop(each.id, None)
    names = {each.full_name for each in found}
    assert names >= {each.full_name for each in made if each not in gone}


def test_what_is_missing_is_named(world: World, forges: Forges) -> None:
    del world.installation.permissions["statuses"]
    try:
        repository = world.github.repository(NAME)
        found = find(forges, world.github, repository.full_name)
        with pytest.raises(errors.ForgeAuthError) as refused:
            post(forges, found, head_of(repository))
        assert "statuses" in f"{refused.value} {refused.value.hint}"
    finally:
        world.installation.permissions["statuses"] = "write"


def test_suspended_installations(world: World, forges: Forges) -> None:
    world.github.suspend(world.installation)
    try:
        found = forges.discover(ForgeKind.Github)
    finally:
        world.github.suspend(world.installation, False)
    assert found.with_known([]) == []
    assert any("suspended" in notice for notice in found.notices), found.notices


def test_check_runs(world: World, forges: Forges) -> None:
    forge = world.github
    repository = forge.repository(NAME)
    found = find(forges, forge, repository.full_name)
    head = head_of(repository)
    link = {"name": "nix", "details_url": "http://127.0.0.1/", "external_id": "7"}
    number = forges.create_check_run(found, head, CheckRun(status="in_progress", **link))
    # More than fit into one request.
    lines = [("flake.nix", each, each, "failure", "undefined") for each in range(1, 121)]
    action = ("Build again", "Builds what failed", "again")
    ended = CheckRun(
        status="failure",
        title="3 failed",
        summary="| a | b |",
        text="x" * 70_000,
        annotations=lines,
        actions=[action],
        **link,
    )
    forges.update_check_run(found, number, ended)
    run = forge.check_runs(repository, head)["nix"]
    assert (run.status, run.conclusion, run.external_id) == ("completed", "failure", "7")
    assert [each["start_line"] for each in run.annotations] == list(range(1, 121))
    assert [each["identifier"] for each in run.actions] == ["again"]


def test_an_unchanged_world_costs_little(world: World, forges: Forges) -> None:
    found = forges.discover(ForgeKind.Github).with_known([])
    for _ in range(2):
        forges.ensure_hooks(found)
    memory = forges.memory()
    later = new_forges(world, memory)
    try:
        seen = len(world.github.requests)
        later.ensure_hooks(later.discover(ForgeKind.Github).with_known([]))
    finally:
        later.close()
    statuses = [each.status for each in world.github.requests[seen:] if each.method == "GET"]
    assert set(statuses) == {304}, statuses
    world.github.assert_valid()


def test_the_doctor_asks_only_what_there_is(
    world: World, forges: Forges, forge: Forge, repository: Repository
) -> None:
    """Both forges are examined in one go; what each was asked is checked for it."""
    found = find(forges, forge, NAME)
    (outcome,) = forges.ensure_hooks([found])
    assert outcome.error is None
    post(forges, found, head_of(repository))
    settings = str(world.instance.master_folder / "settings.yaml")
    command = ["buildbot-nix", "projects", "doctor", "--format", "json", "--project", NAME]
    report = json.loads(world.instance.run(*command, settings, seconds=60).stdout)
    (examined,) = [each for each in report["forges"] if each["forge"] == forge.name]
    assert [each for each in examined["findings"] if each["severity"] == "problem"] == []
    (project,) = examined["projects"]
    # No master runs here, and GitHub tells that nobody answered its ping.
    said = ["GitHub got no answer to the newest event"] if forge.name == "github" else []
    assert [each["text"] for each in project["findings"]] == said
    assert project["hook"] is not None
    assert project["last_status"]["context"] == "buildbot/nix-eval"
