"""A master that builds what is on a GitHub and on a Gitea."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.watch import Watch
from tests.fakes.forge import Forge
from tests.fakes.gitea import Gitea
from tests.fakes.github import GitHub
from tests.fakes.model import PullRequest, Repository, Status
from tests.fakes.stories import Files
from tests.instance import PATIENCE, Instance
from tests.rest import Build
from tests.waiting import wait_until

EVAL, BUILD = "buildbot/nix-eval", "buildbot/nix-build"
#: What both phases of a run come to, as states.
GREEN = {EVAL: "success", BUILD: "success"}
RED = {EVAL: "success", BUILD: "failure"}
TOPIC = "build-with-buildbot"
ORGANIZATION = "acme"
#: Of the repository on each forge that others may have as a submodule, though it is private.
LIBRARY = "library"
#: What webhooks are signed with.
HOOK_SECRET = "hush-hook-5e1d"


class World:
    """Both forges, and the master. One organisation, `acme`, with the member alice, who has to
    agree to pull requests of others."""

    def __init__(self, name: str) -> None:
        self.instance = Instance(name)
        self.github = GitHub()
        self.gitea = Gitea(prefix="/git")
        self.forges: dict[str, Forge] = {"github": self.github, "gitea": self.gitea}
        for name, forge in self.forges.items():
            forge.organization(ORGANIZATION, members=["alice"], admins=["ci"])
            library = f"{ORGANIZATION}/{name}-{LIBRARY}"
            forge.create_repository(library, {"text": "1"}, private=True)
        self.app = self.github.create_app()
        self.installation = self.github.install(self.app, ORGANIZATION)
        self.gitea_token = self.gitea.bot_token("ci")
        hook_secret = str(self.write_secret("hook-secret", HOOK_SECRET))
        self.instance.settings |= {
            "pull_requests": {"trust": "approve"},
            "github": {
                "id": self.app.id,
                "secret_key_file": str(self.write_secret("app.pem", self.app.key)),
                "instance_url": self.github.url,
                "webhook_secret_file": hook_secret,
                "filters": {"topic": TOPIC},
                "submodules": [f"{ORGANIZATION}/github-{LIBRARY}"],
            },
            "gitea": {
                "instance_url": self.gitea.url,
                "token_file": str(self.write_secret("gitea-token", self.gitea_token.text)),
                "webhook_secret_file": hook_secret,
                "filters": {"topic": TOPIC},
                "submodules": [f"{ORGANIZATION}/gitea-{LIBRARY}"],
            },
        }
        # The doubles are here, whatever stands between this machine and the forges of others.
        self.instance.env["no_proxy"] = "127.0.0.1"

    def write_secret(self, name: str, text: str) -> Path:
        """A file that only we can read."""
        path = self.instance.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    @property
    def secrets(self) -> list[str]:
        """All that must be nowhere but in files for it."""
        of_app = self.app.key.splitlines()[3]
        return [HOOK_SECRET, of_app, self.gitea_token.text]

    def stop(self) -> None:
        """Ends all of it; fails if something was said that a forge would not accept."""
        try:
            self.instance.stop()
        finally:
            for forge in self.forges.values():
                forge.stop()
        for forge in self.forges.values():
            forge.assert_valid()

    def tracebacks(self) -> list[str]:
        """Those in the master's log."""
        text = self.instance.twistd_log.read_text(errors="replace")
        return re.findall(r".*\n\s*Traceback.*(?:\n\t.*)*", text)

    def watch(self) -> Watch:
        """Looks for secrets where other processes can see them."""
        return Watch(*self.secrets)


class Place:
    """One forge of a world, for tests that are the same on both."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.forge = world.forges[name]
        self.instance = world.instance

    @property
    def queued_branch(self) -> str:
        """What branches of merge queues begin with."""
        return "gh-readonly-queue/" if self.name == "github" else "gitea-mq/"

    def create(self, name: str, files: Files, **options: Any) -> Repository:
        """A repository that is to be built. Waits until it is a project with a hook."""
        full_name = f"{ORGANIZATION}/{self.name}-{name}"
        made = self.forge.create_repository(full_name, files, topics=[TOPIC], **options)
        made.collaborators["alice"] = "write"
        self.look()
        wait_until(f"a hook of {full_name}", lambda: made.hooks, seen=self.reports)
        return made

    def look(self) -> str:
        """Presses the button "Update projects"; returns the report."""
        build = self.instance.wait_for_end(self.instance.press(f"reload-{self.name}-projects"))
        assert build.result == "success", build.texts()
        return build.log("reload projects", "log")

    def reports(self) -> list[str]:
        """What the master says about this forge."""
        text = self.instance.twistd_log.read_text(errors="replace")
        return [line for line in text.splitlines() if self.name in line][-10:]

    def wait_for(
        self,
        repository: Repository,
        sha: str,
        states: Mapping[str, str],
        seconds: float = PATIENCE,
    ) -> dict[str, Status]:
        """Waits until a commit has these states, and no others; returns its statuses."""
        wait_until(
            f"the statuses of {sha[:7]} of {repository.full_name}: {states}",
            lambda: self.forge.states(repository, sha) == states,
            seconds,
            seen=lambda: (self.forge.states(repository, sha), self.reports()),
        )
        return self.forge.statuses(repository, sha)

    def build_of(self, repository: Repository, sha: str) -> Build:
        """The newest evaluation of a commit."""
        row = self.instance.find_evaluation(self.project_of(repository), sha)
        assert row is not None, f"no evaluation of {sha[:7]}"
        return self.instance.build(row["buildid"])

    def project_of(self, repository: Repository) -> str:
        """The name of its project."""
        return repository.full_name

    def evaluations(self, repository: Repository, sha: str) -> int:
        """How many evaluations of a commit there were."""
        rows = self.instance.evaluations(self.project_of(repository))
        values = [[value for value, _ in row["properties"].values()] for row in rows]
        return sum(sha in each for each in values)

    def wait_for_start(self, repository: Repository, sha: str) -> int:
        """Waits until a commit is evaluated; returns the build's id."""
        return self.instance.wait_for_start(self.project_of(repository), sha)

    def queue(self, pull: PullRequest) -> str:
        """Puts a pull request into the merge queue."""
        queued: str = self.forge.queue(pull)
        return queued

    def dequeue(self, pull: PullRequest, sha: str, *, merged: bool) -> None:
        """Takes it out again."""
        self.forge.dequeue(pull, sha, merged=merged)
