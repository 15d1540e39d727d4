"""A buildbot-nix to click through: ``python -m tests.demo``, or with ``--check`` without a person.

Everything is real, master, worker, git, Nix, but the forge: that is a double of Gitea which knows
pushes, webhooks and statuses, and has a page for them. All of it lives in a folder below ``.build``
and is gone when the demonstration ends.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from uuid import uuid4

from tests.fakes.gitea import Gitea
from tests.fakes.model import Repository
from tests.instance import Instance
from tests.processes import BUILD, free_port, is_free
from tests.repository import SYSTEM, git
from tests.rest import Build
from tests.summary import summary_rows
from tests.waiting import wait_until

SAMPLE = Path(__file__).parent / "sample"
PERSON = "alice"
PROJECT = f"{PERSON}/sample"
#: Buildbot's own.
PORT, WORKER_PORT = 8010, 9989
#: Seconds for one evaluation with its builds.
PATIENCE = 300

#: What is to become of each attribute at first, and after the answer is corrected.
GOOD = ["application", "colours", "hello", "library", "manual", "patience"]
FIRST = {
    **dict.fromkeys(GOOD, "was built"),
    "multiplication": "failed",
    "theorem": "was not built",
    "unwritten": "failed to evaluate",
}
#: How the forge shows either.
STATES = {"buildbot/nix-eval": "failure", "buildbot/nix-build": "failure"}
SECOND = {
    **dict.fromkeys(GOOD, "was already there"),
    "multiplication": "was built",
    "theorem": "was built",
    "unwritten": "failed to evaluate",
}

HOW_TO_GO_ON = """
Change something and see it built; `answer` is wrong on purpose:

    cd {clone}
    echo 42 > answer
    git commit --all --message 'Correct the answer'
    git push

What the forge is told of each commit is at {page}. Ctrl-C ends everything."""


@dataclass
class Demonstration:
    """What there is."""

    forge: Gitea
    repository: Repository
    instance: Instance
    #: The person's own clone.
    clone: Path

    @property
    def page(self) -> str:
        """The repository on the forge."""
        return f"{self.forge.url}/{self.repository.full_name}"


def main() -> int:
    """The demonstration. Returns an exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="assert what happens, and end")
    check = parser.parse_args().check
    try:
        with ending_on_signals(), demonstration(check) as demo:
            (verify if check else present)(demo)
    except KeyboardInterrupt:
        say("everything is ended")
        return 130 if check else 0
    say("everything is as it should be, and ended")
    return 0


def present(demo: Demonstration) -> None:
    """Shows every evaluation until somebody ends it."""
    for build in evaluations(demo.instance):
        print_table(demo.instance, build)
        if build.number == 1:
            print(HOW_TO_GO_ON.format(clone=demo.clone, page=demo.page), flush=True)


def verify(demo: Demonstration) -> None:
    """Asserts what becomes of two commits, and what the forge is told."""
    builds = evaluations(demo.instance)
    first = next(builds)
    print_table(demo.instance, first)
    require(first, FIRST, "failure")
    require_states(demo)
    say("the first commit came out as it should: failures first, each with its reason")
    (demo.clone / "answer").write_text("42\n")
    git(demo.clone, "commit", "--quiet", "--all", "--message", "Correct the answer")
    git(demo.clone, "push", "--quiet")
    second = next(builds)
    print_table(demo.instance, second)
    require(second, SECOND, "failure")
    require_states(demo)
    recorded = demo.instance.child_results(second)
    expected = {"multiplication": "success", "theorem": "success", "unwritten": "failure"}
    assert recorded == expected, f"the history has {recorded}"
    say("the second commit built what it changed and nothing else, and the forge knows")


def require_states(demo: Demonstration) -> None:
    """Waits until the forge shows how the newest commit is."""
    sha = demo.repository.branch("main")
    assert sha is not None

    def states() -> dict[str, str]:
        found = demo.forge.states(demo.repository, sha)
        return {context: found[context] for context in STATES if context in found}

    wait_until("the forge's statuses", lambda: states() == STATES, seen=states)


def require(build: Build, expected: dict[str, str], result: str) -> None:
    """Asserts a build's result and every verdict of its summary."""
    found = {row.attribute: row.verdict for row in summary_rows(build).values()}
    wanted = {f"{SYSTEM}.{name}": verdict for name, verdict in expected.items()}
    assert found == wanted, f"expected {wanted}, got {found}\n{build.texts()}"
    assert build.result == result, build.texts()


@contextmanager
def demonstration(check: bool) -> Iterator[Demonstration]:
    """A running forge and a master that builds what is on it."""
    run_folder = BUILD / "demo" / f"{datetime.now():%Y%m%d-%H%M%S}-{uuid4().hex[:6]}"
    run_folder.mkdir(parents=True)
    instance = Instance(
        "demo",
        folder=run_folder,
        port=choose_port(PORT, check),
        worker_port=choose_port(WORKER_PORT, check),
    )
    forge = Gitea(folder=run_folder / "forge", compared=False)
    try:
        files = {file.name: file.read_text() for file in SAMPLE.iterdir()}
        repository = forge.create_repository(PROJECT, {**files, "salt": uuid4().hex})
        demo = Demonstration(forge, repository, instance, run_folder / "sample")
        clone(demo)
        instance.settings["title"] = "buildbot-nix demo"
        instance.settings["gitea"] = {
            "instance_url": forge.url,
            "token_file": write_secret(run_folder / "token", forge.bot_token(PERSON).text),
            "webhook_secret_file": write_secret(run_folder / "hook-secret", uuid4().hex),
        }
        instance.env["no_proxy"] = "127.0.0.1"
        say(f"starting a master and a worker; the web interface will be at {instance.url}")
        instance.start()
        instance.start_worker()
        builder = f"{PROJECT}/nix-eval"
        wait_until("the project", lambda: instance.rest.get("builders", name=builder))
        say(f"open {instance.url} and {demo.page}")
        yield demo
    finally:
        say("ending master, worker and forge")
        instance.stop()
        forge.stop()


def clone(demo: Demonstration) -> None:
    """Clones the sample as its owner, who is not asked for a password."""
    person = demo.forge.personal_token(PERSON, "write:repository")
    scheme, _, rest = demo.forge.clone_url(demo.repository).partition("://")
    keys = demo.clone.parent / "git-credentials"
    write_secret(keys, f"{scheme}://{PERSON}:{person.text}@{rest}\n")
    helper = f"store --file={keys}"
    url = f"{scheme}://{PERSON}@{rest}"
    git(
        demo.clone.parent,
        "clone",
        "--quiet",
        f"--config=credential.helper={helper}",
        f"--config=user.name={PERSON.title()}",
        f"--config=user.email={PERSON}@example.org",
        url,
        str(demo.clone),
    )


def write_secret(path: Path, text: str) -> str:
    """A file that only we can read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def choose_port(preferred: int, check: bool) -> int:
    """The usual port if it is free; a check never takes it."""
    if check:
        return free_port()
    if is_free(preferred):
        return preferred
    port = next(port for port in range(preferred + 1, 65536) if is_free(port))
    say(f"port {preferred} is in use, taking {port}")
    return port


def evaluations(instance: Instance) -> Iterator[Build]:
    """Each evaluation when it has ended, with progress printed; without end."""
    number = 1
    while True:
        say("waiting for the first look" if number == 1 else "waiting for the next push")
        row = None
        while row is None:
            time.sleep(0.3)
            rows = [row for row in instance.evaluations(PROJECT) if row["number"] == number]
            row = rows[0] if rows else None
        yield follow(instance, row["buildid"])
        number += 1


def follow(instance: Instance, build_id: int) -> Build:
    """Prints how far a build is whenever that changes."""
    said = None
    deadline = time.monotonic() + PATIENCE
    while not instance.rest.get_one(f"builds/{build_id}")["complete"]:
        steps = instance.rest.get(f"builds/{build_id}/steps")
        running = [
            f"{step['name']}: {step['state_string']}"
            for step in steps
            if step["started_at"] and step["state_string"] != "pending"
        ]
        if running and running[-1] != said:
            said = running[-1]
            say(said)
        if time.monotonic() > deadline:
            raise AssertionError(f"not done after {PATIENCE} s: {instance.build(build_id).texts()}")
        time.sleep(0.3)
    return instance.build(build_id)


def print_table(instance: Instance, build: Build) -> None:
    """What became of each attribute, with links."""
    print(f"\n  {build.text}\n  {instance.url}{build.path}\n")
    rows = list(summary_rows(build).values())
    width = max((len(row.attribute) for row in rows), default=0)
    for row in rows:
        print(f"  {row.attribute:{width}}  {row.verdict:18}  {row.url or ''}")
    print(flush=True)


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """SIGTERM ends us as Ctrl-C does, in order. So does SIGINT where a shell has us ignore it."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            # An impatient second one must not leave half of it running.
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def say(text: str) -> None:
    """A line about what happens."""
    print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
