"""Whatever is killed, whenever: runs go on, and come to the same as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from tests.e2e.conftest import DATABASE_PASSWORD
from tests.e2e.world import BUILD, EVAL
from tests.fakes.gitea import Gitea
from tests.fakes.model import Repository
from tests.instance import Instance
from tests.postgres import PostgresServer
from tests.processes import assert_none_left, processes_of, tail
from tests.repository import SYSTEM, flake
from tests.rest import Build
from tests.summary import verdicts
from tests.waiting import wait_until

PERSON = "alice"
PROJECT = f"{PERSON}/crashes"
KILLS = 20
#: Seconds until the next one; sometimes one hits what has hardly come back.
PAUSES = (0.0, 2.5)
#: `CRASH_SEED=<number>` kills at the same moments again, as far as machines do things twice.
SEED = int(os.environ.get("CRASH_SEED") or random.randrange(1 << 32))
#: Buildbot's number for a build that is started once more.
RETRY = 5
ATTRIBUTES = 8
EXPECTED = {
    **{f"a{n}": "was built" for n in range(ATTRIBUTES)},
    "bad": "failed",
    "needs-bad": "was not built",
    "throws": "failed to evaluate",
}
#: What the forge shows in the end of each commit.
STATES = {
    EVAL: "failure",
    BUILD: "failure",
    **{
        f"{BUILD} gitea:{PROJECT}#checks.{SYSTEM}.{name}": "failure"
        for name in ("bad", "needs-bad", "throws")
    },
}


def checks(number: int) -> str:
    """Some that work, in short chains, and one of each kind that does not."""
    lines = []
    for n in range(ATTRIBUTES):
        needs = f"needs = a{n - 1};" if n % 3 else ""
        extra = f"number = {number}; {needs}"
        lines.append(f'a{n} = drv "a{n}" "pause 0.7; echo done > $out" {{ {extra} }};')
    lines.append(f'bad = drv "bad" "exit 3" {{ number = {number}; }};')
    lines.append(f'needs-bad = drv "needs-bad" "" {{ needs = bad; number = {number}; }};')
    lines.append('throws = throw "on purpose";')
    return "\n".join(lines)


@dataclass
class Crashes:
    """Something to kill, and what happened."""

    instance: Instance
    server: PostgresServer
    forge: Gitea
    repository: Repository
    dice: random.Random
    killed: Counter[str] = field(default_factory=Counter)

    def kill_one(self) -> None:
        """Kills one thing and sees that somebody starts it again, as an operating system does."""
        victims: dict[str, Callable[[], bool]] = {
            "master": self.kill_master,
            "worker": self.kill_worker,
            "agent": lambda: self.kill_process("buildbot-nix"),
            "daemon": lambda: self.kill_process("nix-daemon"),
            "database": self.kill_database,
        }
        name = self.dice.choice(list(victims))
        if victims[name]():
            self.killed[name] += 1

    def supervise(self) -> None:
        """A master that cannot start, since the database is away, is started again."""
        master = self.instance.master
        if master is not None and master.exit_status is not None:
            self.instance.launch()

    def is_over(self, head: str) -> bool:
        """Whether the run of a commit has ended for good."""
        self.supervise()
        with contextlib.suppress(OSError):
            row = self.instance.find_evaluation(PROJECT, head)
            return row is not None and row["complete"] and row["results"] != RETRY
        return False

    def kill_master(self) -> bool:
        self.instance.kill_master()
        time.sleep(self.dice.uniform(0, 0.5))
        self.instance.launch()
        return True

    def kill_worker(self) -> bool:
        [worker] = self.instance.workers
        worker.kill()
        self.instance.workers.clear()
        time.sleep(self.dice.uniform(0, 0.5))
        self.instance.new_worker("worker")
        return True

    def kill_process(self, name: str) -> bool:
        """One of the worker's processes, if there is one now."""
        [worker] = self.instance.workers
        found = processes_of([str(worker.folder)]).items()
        wanted = [pid for pid, command in found if name in command.split(" ")[0]]
        if not wanted:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.dice.choice(wanted), signal.SIGKILL)
        return True

    def kill_database(self) -> bool:
        self.server.kill()
        time.sleep(self.dice.uniform(0, 1))
        self.server.start()
        return True


@pytest.fixture
def crashes() -> Iterator[Crashes]:
    server = PostgresServer(DATABASE_PASSWORD)
    instance = Instance("crashes")
    forge = Gitea(compared=False)
    repository = forge.create_repository(PROJECT, flake(checks(0)))
    token, secret = (instance.folder / name for name in ("token", "hook-secret"))
    token.write_text(forge.bot_token(PERSON).text)
    secret.write_text(uuid4().hex)
    instance.settings |= {
        "db_url": server.url,
        "gitea": {
            "instance_url": forge.url,
            "token_file": str(token),
            "webhook_secret_file": str(secret),
        },
    }
    instance.env["no_proxy"] = "127.0.0.1"
    try:
        instance.start()
        instance.start_worker()
        builder = f"{PROJECT}/nix-eval"
        wait_until("the project", lambda: instance.rest.get("builders", name=builder))
        yield Crashes(instance, server, forge, repository, random.Random(SEED))
    finally:
        if server.process is None:
            server.start()
        instance.stop()
        forge.stop()
        server.remove()


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_done_twice(crashes: Crashes) -> None:
    print(f"CRASH_SEED={SEED}")
    instance, forge, repository = crashes.instance, crashes.forge, crashes.repository
    first = repository.branch("main")
    assert first is not None
    heads = [first]
    while crashes.killed.total() < KILLS:
        time.sleep(crashes.dice.uniform(*PAUSES))
        crashes.kill_one()
        if crashes.is_over(heads[-1]):
            heads.append(forge.push(repository, flake(checks(len(heads)))))
    print(f"killed {dict(crashes.killed)} in {len(heads)} runs")
    wait_until(
        "the end", lambda: crashes.is_over(heads[-1]), 120, seen=lambda: tail(instance.twistd_log)
    )
    instance.workers[0].wait_until_connected()
    for head in heads:
        lives = [row for row in instance.evaluations(PROJECT) if head in revisions(row)]
        check_run(instance, [instance.build(row["buildid"]) for row in reversed(lives)])
        wait_until(
            f"the statuses of {head[:7]}",
            lambda head=head: forge.states(repository, head) == STATES,
            seen=lambda head=head: forge.states(repository, head),
        )
    assert not instance.rest.get("builds", complete=False)
    assert not instance.rest.get("buildrequests", complete=False)
    assert_none_left([f"salt={repository.git.salt}"])
    agents = [f"{instance.workers[0].folder}/slot"]
    wait_until("the end of the agents", lambda: not processes_of(agents, environment=False))


def revisions(row: dict[str, object]) -> list[object]:
    properties = row["properties"]
    assert isinstance(properties, dict)
    return [value for value, _ in properties.values()]


def check_run(instance: Instance, lives: list[Build]) -> None:
    """What one run came to, in all its lives."""
    *lost, last = lives
    assert {life.result for life in lost} <= {"retry"}, [life.texts() for life in lives]
    assert last.result == "failure", last.texts()
    assert verdicts(last, SYSTEM) == EXPECTED, last.texts()
    worked: Counter[str] = Counter()
    for life in lives:
        children = instance.children(life).items()
        worked.update(name for name, child in children if child.result == "success")
    assert worked == {name: 1 for name in EXPECTED if name.startswith("a")}, worked
    stored = False
    for life in lives:
        git = life.steps.get("git")
        assert not (stored and git and git.result == "success"), "evaluated again"
        evaluation = life.steps.get("Evaluate flake")
        stored = stored or (evaluation is not None and evaluation.result == "warnings")
