"""From an event on a forge to the statuses there, on GitHub and on Gitea with one master."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.download import Download
from tests.e2e.world import BUILD, EVAL, GREEN, LIBRARY, ORGANIZATION, RED, Place, World
from tests.fakes.model import Repository
from tests.processes import files_with
from tests.repository import SYSTEM, flake

HELLO = flake('hello = ok "hello";')
#: Runs until it is ended.
ENDLESS = flake('endless = drv "endless" "while :; do pause 1; done" {};')


@pytest.fixture(params=["github", "gitea"])
def place(world: World, request: pytest.FixtureRequest) -> Iterator[Place]:
    # Other tests stop the master, which is the same.
    before = {name: forge.deliveries.refused() for name, forge in world.forges.items()}
    yield Place(world, request.param)
    for name, forge in world.forges.items():
        forge.recover()
        forge.assert_valid()
        forge.deliveries.settle()
        assert forge.deliveries.refused() == before[name]


@pytest.fixture(scope="module")
def shared(world: World) -> dict[str, Repository]:
    """One repository on each forge, of one name, that most tests change."""
    return {name: Place(world, name).create("shared", HELLO) for name in world.forges}


@pytest.fixture
def repository(place: Place, shared: dict[str, Repository]) -> Repository:
    return shared[place.name]


def head_of(repository: Repository) -> str:
    sha = repository.branch(repository.default_branch)
    assert sha is not None
    return sha


def test_a_new_repository_is_built_without_a_restart(place: Place, repository: Repository) -> None:
    statuses = place.wait_for(repository, head_of(repository), GREEN)
    assert {each.description for each in statuses.values()} == {"1 attribute", "1 built"}
    build = place.build_of(repository, head_of(repository))
    assert statuses[BUILD].target_url == place.instance.url + build.path


def test_a_push_is_built(place: Place, repository: Repository) -> None:
    files = flake('hello = ok "hello"; broken = drv "broken" "exit 1" {};')
    sha = place.forge.push(repository, files, message="Break something")
    project = place.project_of(repository)
    failed = f"{BUILD} {place.name}:{project}#checks.{SYSTEM}.broken"
    statuses = place.wait_for(repository, sha, {**RED, failed: "failure"})
    child = place.instance.children(place.build_of(repository, sha))["broken"]
    assert statuses[failed].target_url == place.instance.url + child.path
    properties = place.build_of(repository, sha).properties
    assert (properties["event"], properties["branch"]) == ("push", "main")
    assert properties["tested_on_branch"] == "yes"


def test_rebuilding_a_failed_attribute_makes_all_green(place: Place) -> None:
    with Download() as download:
        files = flake(download.checks + 'after = drv "after" "echo > $out" { needs = uses; };')
        repository = place.create("rebuilt", files)
        sha = head_of(repository)
        checks = f"{BUILD} {place.name}:{place.project_of(repository)}#checks.{SYSTEM}"
        names = [f"{checks}.{name}" for name in ("uses", "after")]
        place.wait_for(repository, sha, {**RED, **dict.fromkeys(names, "failure")})
        child = place.instance.children(place.build_of(repository, sha))["uses"]
        download.appear()
        ended = place.instance.wait_for_end(place.instance.rebuild(child.id))
    assert ended.result == "success", ended.texts()
    place.wait_for(repository, sha, {**GREEN, **dict.fromkeys(names, "success")})


def test_tags_and_words_that_say_so_build_nothing(place: Place, repository: Repository) -> None:
    skipped = place.forge.push(repository, HELLO, message="Mend it [skip ci]")
    place.forge.tag(repository, f"v-{skipped[:7]}", skipped)
    sha = place.forge.push(repository, {"note": "1"}, message="Note")
    place.wait_for(repository, sha, GREEN)
    assert place.evaluations(repository, skipped) == 0
    assert place.evaluations(repository, sha) == 1


def test_a_stranger_waits_until_a_member_agrees(place: Place, repository: Repository) -> None:
    files = flake('hello = ok "hello"; forked = ok "forked";')
    # A branch that is called like the default one is not it.
    pull = place.forge.open_pull_request(repository, files, by="mallory", fork=True, branch="main")
    waiting = place.wait_for(repository, pull.head_sha, {EVAL: "pending"})
    assert "a member comments /build" in waiting[EVAL].description
    # Not everybody's word counts, nor does what changes no commit.
    place.forge.comment(pull, "/build", by="mallory")
    place.forge.comment(pull, "Looks good", by="alice")
    place.forge.edit(pull, "A better title")
    place.forge.deliveries.settle()
    place.look()
    assert place.evaluations(repository, pull.head_sha) == 0
    place.forge.comment(pull, "/build", by="alice")
    statuses = place.wait_for(repository, pull.head_sha, GREEN)
    assert statuses[BUILD].description.startswith("1 built")
    build = place.build_of(repository, pull.head_sha)
    assert set(place.instance.children(build)) == {"forked"}
    assert build.properties["branch"].startswith(f"refs/pull/{pull.number}/")
    assert build.properties["merged_base"] == head_of(repository)
    # Who agrees to a commit gives it no secrets.
    assert build.properties["tested_on_branch"] == "no"
    place.forge.close(pull)


def test_a_member_agrees_with_a_button(place: Place, repository: Repository) -> None:
    pull = place.forge.open_pull_request(
        repository, {"note": "0"}, by="mallory", fork=True, branch="stranger"
    )
    first = pull.head_sha
    place.wait_for(repository, first, {EVAL: "pending"})
    second = place.forge.push_to(pull, {"note": "00"})
    place.wait_for(repository, second, {EVAL: "pending"})
    place.wait_for(repository, first, {EVAL: "error"})
    project = place.project_of(repository)
    button = f"{project.replace('/', '-')}-force"
    number = place.instance.press(button, f"{project}/nix-eval", pull_request=str(pull.number))
    build = place.instance.wait_for_end(number)
    assert build.result == "success", build.texts()
    assert build.properties["merged_base"] == head_of(repository)
    assert build.properties["tested_on_branch"] == "no"
    place.wait_for(repository, second, GREEN)
    # What comes next waits again, and for nothing once nobody proposes it any more.
    third = place.forge.push_to(pull, {"note": "000"})
    place.wait_for(repository, third, {EVAL: "pending"})
    place.forge.close(pull)
    place.wait_for(repository, third, {EVAL: "error"})
    assert place.evaluations(repository, third) == 0


def test_what_is_built_is_the_merge(place: Place, repository: Repository) -> None:
    pull = place.forge.open_pull_request(
        repository, {"from-pull": "1"}, branch="merged", by="alice", draft=True
    )
    place.wait_for(repository, pull.head_sha, GREEN)
    files = {"flake.nix": checking_files("from-pull", "from-main"), "from-main": "1"}
    place.forge.push(repository, files)
    sha = place.forge.push_to(pull, {"from-pull": "2"})
    place.wait_for(repository, sha, GREEN)
    place.forge.close(pull)
    place.forge.push(repository, HELLO, message="Ask for less [skip ci]")


def checking_files(*names: str) -> str:
    """A flake that evaluates only if it has all these files."""
    files = " ".join(f"${{./{name}}}" for name in names)
    return flake(f'both = ok (builtins.seq "{files}" "both");')["flake.nix"]


def test_a_conflict_is_told(place: Place, repository: Repository) -> None:
    pull = place.forge.open_pull_request(repository, {"a": "theirs"}, branch="conflict")
    place.wait_for(repository, pull.head_sha, GREEN)
    place.forge.push(repository, {"a": "ours"})
    sha = place.forge.push_to(pull, {"a": "theirs again"})
    statuses = place.wait_for(repository, sha, {EVAL: "failure"})
    assert "conflict" in statuses[EVAL].description.lower()
    place.forge.close(pull)


def test_closing_a_pull_request_ends_its_run(place: Place, repository: Repository) -> None:
    pull = place.forge.open_pull_request(repository, ENDLESS, branch="endless")
    build_id = place.wait_for_start(repository, pull.head_sha)
    place.wait_for(repository, pull.head_sha, {EVAL: "success", BUILD: "pending"})
    place.forge.close(pull)
    ended = place.instance.wait_for_end(build_id)
    assert ended.result == "cancelled", ended.texts()
    place.wait_for(repository, pull.head_sha, {EVAL: "success", BUILD: "error"})


def test_forks_with_equal_branch_names_leave_each_other_alone(
    place: Place, repository: Repository
) -> None:
    pulls = [
        place.forge.open_pull_request(repository, ENDLESS, branch="patch-1", by=login, fork=True)
        for login in ("mallory", "eve")
    ]
    for pull in pulls:
        place.forge.comment(pull, "/build", by="alice")
    heads = [pull.head_sha for pull in pulls]
    builds = [place.wait_for_start(repository, head) for head in heads]
    for head in heads:
        place.wait_for(repository, head, {EVAL: "success", BUILD: "pending"})
    sha = place.forge.push_to(pulls[0], HELLO)
    place.forge.comment(pulls[0], "/build", by="alice")
    superseded = place.instance.wait_for_end(builds[0])
    assert superseded.result == "cancelled", superseded.texts()
    place.wait_for(repository, heads[0], {EVAL: "success", BUILD: "error"})
    place.wait_for(repository, sha, GREEN)
    other = place.instance.build(builds[1])
    assert other.result is None, other.texts()
    for pull in pulls:
        place.forge.close(pull)
    assert place.instance.wait_for_end(builds[1]).result == "cancelled"


def test_a_force_push_back_builds_what_is_there_now(place: Place, repository: Repository) -> None:
    pull = place.forge.open_pull_request(repository, {"note": "3"}, branch="back-and-forth")
    first = pull.head_sha
    place.wait_for(repository, first, GREEN)
    second = place.forge.push_to(pull, ENDLESS)
    build_id = place.wait_for_start(repository, second)
    place.wait_for(repository, second, {EVAL: "success", BUILD: "pending"})
    assert place.forge.force_push(pull, first) == first
    assert place.instance.wait_for_end(build_id).result == "cancelled"
    place.wait_for(repository, first, GREEN)
    assert place.evaluations(repository, first) == 2
    place.wait_for(repository, second, {EVAL: "success", BUILD: "error"})
    place.forge.close(pull)


def test_merge_queues(place: Place, repository: Repository) -> None:
    pull = place.forge.open_pull_request(repository, {"note": "4"}, branch="queued")
    sha = place.queue(pull)
    place.wait_for(repository, sha, GREEN)
    build = place.build_of(repository, sha)
    assert build.properties["branch"].startswith(place.queued_branch)
    place.dequeue(pull, sha, merged=True)
    assert head_of(repository) == sha


def test_a_deleted_branch_ends_its_run(place: Place, repository: Repository) -> None:
    pull = place.forge.open_pull_request(repository, ENDLESS, branch="given-up")
    sha = place.queue(pull)
    build_id = place.wait_for_start(repository, sha)
    place.wait_for(repository, sha, {EVAL: "success", BUILD: "pending"})
    place.dequeue(pull, sha, merged=False)
    assert place.instance.wait_for_end(build_id).result == "cancelled"
    place.wait_for(repository, sha, {EVAL: "success", BUILD: "error"})
    place.forge.close(pull)


def test_an_evaluation_that_fails_is_told(place: Place, repository: Repository) -> None:
    sha = place.forge.push(repository, {"flake.nix": "{ outputs = _: throw"})
    statuses = place.wait_for(repository, sha, {EVAL: "failure"})
    assert statuses[EVAL].description
    place.forge.push(repository, HELLO, message="Mend it [skip ci]")


def test_private_submodules_are_for_the_repository_itself(place: Place) -> None:
    name = f"{ORGANIZATION}/{place.name}-{LIBRARY}"
    library = place.forge.repository(name)
    repository = place.create("with-library", HELLO, private=True)
    # Over ssh, and beside it.
    sha = with_submodules(
        place,
        repository,
        head_of(library),
        over_ssh=f"git@127.0.0.1:{name}.git",
        beside=f"../{place.name}-{LIBRARY}",
    )
    place.wait_for(repository, sha, GREEN)
    own = place.forge.open_pull_request(repository, {"note": "1"}, branch="own")
    stranger = place.forge.open_pull_request(repository, {"note": "2"}, by="mallory", fork=True)
    place.forge.comment(stranger, "/build", by="alice")
    place.wait_for(repository, own.head_sha, GREEN)
    statuses = place.wait_for(repository, stranger.head_sha, {EVAL: "failure"})
    assert "submodules" in statuses[EVAL].description


def with_submodules(place: Place, repository: Repository, commit: str, **urls: str) -> str:
    """Pushes a commit that has submodules, by their names, at ``commit``; returns its hash."""
    sections = []
    for name, url in urls.items():
        (repository.git.clone / name).mkdir()
        repository.git.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{name}")
        sections.append(f'[submodule "{name}"]\npath = {name}\nurl = {url}\n')
    return place.forge.push(repository, {".gitmodules": "".join(sections)})


def test_secrets_are_nowhere_but_in_their_files(world: World, place: Place) -> None:
    with world.watch() as watch:
        repository = place.create("private", HELLO, private=True)
        place.wait_for(repository, head_of(repository), GREEN)
    assert watch.seen == set()
    tokens = [token.text for forge in world.forges.values() for token in forge.tokens.values()]
    own = {world.instance.folder / name for name in ("hook-secret", "app.pem", "gitea-token")}
    for secret in {*world.secrets, *tokens}:
        assert files_with(world.instance.folder, secret) <= own
