"""Check runs instead of statuses, of a GitHub App that hears everything by its own webhook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.download import Download
from tests.e2e.world import BUILD, EVAL, HOOK_SECRET, ORGANIZATION, TOPIC, Place, World
from tests.fakes.model import CheckRun, Hook, Repository
from tests.instance import PATIENCE
from tests.repository import SYSTEM, flake
from tests.waiting import wait_until

EVENTS = [
    *("check_run", "issue_comment", "merge_group", "pull_request", "push", "repository"),
]
NAME = f"{ORGANIZATION}/checked"
THROWS = 'throws = throw "thrown on purpose";'


@pytest.fixture(scope="module")
def place(world: World) -> Iterator[Place]:
    """Its App has a webhook that somebody has switched on and not filled in."""
    place, settings = Place(world, "github"), world.instance.settings["github"]
    before = dict(settings)
    settings |= {"app_webhook": True, "check_runs": True}
    now = world.github.now()
    hook = Hook(world.github.new_id(), "http://127.0.0.1:9/", "", EVENTS, now, now)
    world.app.hook, world.app.events = hook, EVENTS
    world.instance.reconfigure()
    yield place
    world.app.hook = None
    settings.clear()
    settings |= before
    world.instance.reconfigure()
    world.github.assert_valid()


class Checks(NamedTuple):
    """What people see of a commit."""

    place: Place
    repository: Repository
    sha: str

    def get(self) -> dict[str, CheckRun]:
        """The newest of each name."""
        return self.place.world.github.check_runs(self.repository, self.sha)

    def wait_for(self, conclusions: dict[str, str | None]) -> dict[str, CheckRun]:
        """Waits until these ended so."""

        def found() -> dict[str, str | None]:
            return {name: run.conclusion for name, run in self.get().items()}

        wait_until(
            f"the check runs {conclusions}",
            lambda: conclusions.items() <= found().items(),
            PATIENCE,
            seen=lambda: (found(), self.place.reports()),
        )
        return self.get()

    def press(self, name: str) -> None:
        """The button "Re-run" of a check."""
        self.place.world.github.rerun(self.repository, self.get()[name])


def test_check_runs_and_their_button(place: Place) -> None:
    github, prefix = place.world.github, f"{BUILD} github:{NAME}#checks.{SYSTEM}"
    github.create_repository(f"{NAME}-too", flake(), topics=[TOPIC])
    place.look()
    hook = place.world.app.hook
    assert hook is not None
    assert (hook.url, hook.secret) == (f"{place.instance.url}change_hook/github", HOOK_SECRET)
    with Download() as download:
        files = flake(f"{download.checks}\n{THROWS}")
        # The App hears of it.
        repository = github.create_repository(NAME, files, topics=[TOPIC])
        sha = repository.branch("main")
        assert sha is not None
        checks = Checks(place, repository, sha)
        uses, throws = f"{prefix}.uses", f"{prefix}.throws"
        runs = checks.wait_for(dict.fromkeys((EVAL, BUILD, uses, throws), "failure"))
        assert repository.statuses == []
        assert repository.hooks == []
        assert "uses" in runs[BUILD].output["summary"]
        (remark,) = runs[EVAL].annotations
        lines = files["flake.nix"].splitlines()
        (line,) = (number for number, text in enumerate(lines, 1) if THROWS in text)
        assert (remark["path"], remark["start_line"]) == ("flake.nix", line)
        assert "thrown on purpose" in remark["message"]

        download.appear()
        checks.press(uses)
        checks.wait_for({uses: "success", BUILD: "failure"})
        assert place.evaluations(repository, sha) == 1
    checks.press(EVAL)
    wait_until("another evaluation", lambda: place.evaluations(repository, sha) == 2)
    checks.wait_for({EVAL: "failure", BUILD: "failure", uses: "success"})
