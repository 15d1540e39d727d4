"""What goes wrong between a master and its forges, and the right status that is there in the
end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.download import Download
from tests.e2e.world import BUILD, EVAL, GREEN, TOPIC, Place, World
from tests.fakes import faults
from tests.fakes.model import Repository
from tests.repository import flake
from tests.waiting import wait_until

HELLO = flake('hello = ok "hello";')


@pytest.fixture(params=["github", "gitea"])
def place(world: World, request: pytest.FixtureRequest) -> Iterator[Place]:
    before = world.tracebacks()
    yield Place(world, request.param)
    for forge in world.forges.values():
        forge.recover()
        forge.assert_valid()
    assert world.tracebacks() == before


@pytest.fixture(scope="module")
def shared(world: World) -> dict[str, Repository]:
    """One repository on each forge, which every test changes."""
    made = {name: Place(world, name).create("trouble", HELLO) for name in world.forges}
    for name, repository in made.items():
        Place(world, name).wait_for(repository, head_of(repository), GREEN)
    return made


@pytest.fixture
def repository(place: Place, shared: dict[str, Repository]) -> Repository:
    return shared[place.name]


def head_of(repository: Repository) -> str:
    sha = repository.branch(repository.default_branch)
    assert sha is not None
    return sha


def salted(files: dict[str, str], word: str) -> dict[str, str]:
    """The same, built anew."""
    return {**files, "flake.nix": files["flake.nix"].replace("@salt@", f"@salt@-{word}")}


def test_statuses_come_when_a_forge_is_back(place: Place, repository: Repository) -> None:
    outage = place.forge.fail("*", "*", faults.refuse(503, "We are down"), times=None)
    sha = place.forge.push(repository, salted(HELLO, "outage"))
    build = place.instance.wait_for_build(place.project_of(repository), sha)
    assert build.result == "success", build.texts()
    wait_until("a request in vain", lambda: outage.seen)
    assert place.forge.states(repository, sha) == {}
    # What was valid before is not any more.
    place.world.github.expire_tokens()
    place.forge.recover()
    place.wait_for(repository, sha, GREEN)


def test_statuses_are_sent_until_they_arrive(place: Place, repository: Repository) -> None:
    troubles = [
        faults.secondary_limit(1),
        faults.refuse(429, "Too many", Retry_After="1"),
        faults.reset(),
        faults.lose_answer(),
        faults.cut_off(),
        faults.garbage(),
    ]
    all_of_them = [place.forge.fail("POST", "*/statuses/*", act) for act in troubles]
    sha = place.forge.push(repository, {"note": "trouble"})
    place.wait_for(repository, sha, GREEN)
    assert [fault.seen for fault in all_of_them] == [1] * len(troubles)


def test_a_token_that_ends_in_mid_run(world: World, shared: dict[str, Repository]) -> None:
    place, repository = Place(world, "github"), shared["github"]
    with Download(waits=True) as download:
        sha = place.forge.push(repository, flake(download.checks))
        place.wait_for(repository, sha, {EVAL: "success", BUILD: "pending"})
        world.github.expire_tokens()
        download.appear()
        place.wait_for(repository, sha, GREEN)


def test_deliveries_twice_and_in_another_order(place: Place, repository: Repository) -> None:
    place.forge.deliveries.settle()
    # Other tests may have had some sent to nobody.
    refused = place.forge.deliveries.refused()
    place.forge.deliveries.hold()
    first = place.forge.push(repository, {"note": "first"})
    second = place.forge.push(repository, {"note": "second"})
    place.forge.deliveries.release(lambda held: [*reversed(held), *held])
    place.wait_for(repository, second, GREEN)
    place.forge.deliveries.settle()
    assert place.forge.deliveries.refused() == refused
    assert place.evaluations(repository, second) == 1
    # The older one may have been built, but is not the newest.
    place.look()
    assert place.evaluations(repository, second) == 1
    assert place.evaluations(repository, first) <= 1


def test_deliveries_that_never_come(place: Place, repository: Repository) -> None:
    place.forge.deliveries.drop()
    pushed = place.forge.push(repository, {"note": "unheard"})
    pull = place.forge.open_pull_request(repository, {"unheard": "1"}, branch="unheard")
    place.forge.deliveries.drop(False)
    place.look()
    place.wait_for(repository, pushed, GREEN)
    place.wait_for(repository, pull.head_sha, GREEN)
    place.forge.close(pull)


def test_forged_deliveries(place: Place, repository: Repository) -> None:
    before = place.world.tracebacks()
    url = f"{place.instance.url}change_hook/{place.name}"
    place.forge.deliveries.hold()
    sha = place.forge.push(repository, {"note": "forged"})
    (real, *_) = place.forge.deliveries.find("push")[-1:]
    place.forge.deliveries.release(lambda held: [])
    wrong = place.forge.send_forged(url, "push", real.payload, "not the secret")
    assert wrong.status == 403, wrong.attempts
    none = place.forge.send_forged(url, "push", real.payload, "")
    assert none.status == 401, none.attempts
    large = place.forge.send_forged(url, "push", {"x": "y" * 26_000_000}, "")
    assert large.status == 413, large.attempts
    assert place.evaluations(repository, sha) == 0
    assert place.world.tracebacks() == before
    # The real one is welcome.
    assert place.forge.deliveries.send(real).status == 202
    place.wait_for(repository, sha, GREEN)


def test_a_repository_gets_another_name(place: Place) -> None:
    repository = place.create("before", HELLO)
    place.wait_for(repository, head_of(repository), GREEN)
    with Download(waits=True) as download:
        sha = place.forge.push(repository, flake(download.checks))
        place.wait_for(repository, sha, {EVAL: "success", BUILD: "pending"})
        place.forge.rename(repository, "after")
        download.appear()
        place.wait_for(repository, sha, GREEN)
    place.look()
    again = place.forge.push(repository, {"note": "renamed"})
    place.wait_for(repository, again, GREEN)


def test_a_repository_that_is_built_no_more(place: Place) -> None:
    repository = place.create("retired", HELLO)
    place.wait_for(repository, head_of(repository), GREEN)
    assert place.project_of(repository)
    place.forge.set_topics(repository, "other")
    place.look()
    builders = [row["name"] for row in place.instance.rest.get("builders", masterids__contains=1)]
    assert f"{repository.full_name}/nix-eval" not in builders
    assert repository.hooks == []
    place.forge.set_topics(repository, TOPIC)
    place.look()
    sha = place.forge.push(repository, {"note": "back"})
    place.wait_for(repository, sha, GREEN)


def test_a_master_that_is_killed_in_mid_run(place: Place, repository: Repository) -> None:
    with Download(waits=True) as download:
        sha = place.forge.push(repository, flake(download.checks))
        place.wait_for(repository, sha, {EVAL: "success", BUILD: "pending"})
        kill(place)
        # Nobody listens meanwhile.
        unheard = place.forge.open_pull_request(repository, HELLO, branch="unheard-too")
        place.forge.deliveries.settle()
        download.appear()
        start(place)
        place.wait_for(repository, sha, GREEN)
        place.wait_for(repository, unheard.head_sha, GREEN)


def test_a_master_starts_without_its_forges(place: Place, repository: Repository) -> None:
    for forge in place.world.forges.values():
        forge.fail("*", "*", faults.reset(), times=None)
    kill(place)
    start(place)
    sha = place.forge.push(repository, salted(HELLO, "started"))
    place.forge.deliveries.settle()
    wait_until(
        "its evaluation", lambda: place.instance.find_evaluation(place.project_of(repository), sha)
    )
    for forge in place.world.forges.values():
        forge.recover()
    place.wait_for(repository, sha, GREEN)


def kill(place: Place) -> None:
    """Ends master and worker without a word."""
    place.instance.kill_master()
    for worker in place.instance.workers:
        worker.kill()
    place.instance.workers.clear()


def start(place: Place) -> None:
    """Starts them again."""
    place.instance.start()
    place.instance.start_worker()
