"""A real Buildbot for tests: a master, workers and polled repositories in one temporary folder."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.error
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar
from uuid import uuid4

from tests.processes import (
    ARTIFACTS,
    Process,
    assert_none_left,
    environment,
    free_port,
    processes_of,
    run,
    tail,
)
from tests.repository import RUN, SYSTEM, Link, Repository
from tests.rest import Build, Rest, read_build, result_name
from tests.waiting import wait_until
from tests.worker import Worker

#: As `buildbot start` runs the master, but as our child.
MASTER = ["twistd", "--nodaemon", "--no_save", "--logfile=twistd.log", "--python=buildbot.tac"]
GC_ROOTS = Path("/nix/var/nix/gcroots/per-user")
#: Seconds for a poll, an evaluation and a few builds, on a machine that does much else.
PATIENCE = 90


class StartError(AssertionError):
    """The master ended instead of starting. Has what it said."""


class Instance:
    """A master with its own database, ports and repositories.

    What is to be changed in :attr:`settings` before :meth:`start` may be changed; afterwards
    :meth:`reconfigure` makes it known.
    """

    #: Those that run now, so that a failed test can show their logs.
    running: ClassVar[list[Instance]] = []

    def __init__(
        self,
        name: str,
        *,
        folder: Path | None = None,
        machines: Mapping[str, int] | None = None,
        port: int | None = None,
        worker_port: int | None = None,
    ) -> None:
        self.name = name
        self.folder = folder or Path(tempfile.mkdtemp(prefix=f"buildbot-nix-{name}-"))
        self.machines = dict(machines or {"worker": 2})
        self.port = port or free_port()
        self.worker_port = worker_port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.rest = Rest(self.url)
        self.master: Process | None = None
        self.workers: list[Worker] = []
        self.worker_password = uuid4().hex
        self.master_folder = self.folder / "master"
        self.repositories_folder = self.folder / "repositories"
        self.repositories_folder.mkdir(parents=True)
        (self.folder / "home").mkdir()
        self.env = environment(self.folder / "home")
        self.gcroots_user = f"tests-{uuid4().hex}"
        self.settings: dict[str, Any] = {
            "url": self.url,
            "port": f"tcp:{self.port}:interface=127.0.0.1",
            "worker_port": f"tcp:{self.worker_port}:interface=127.0.0.1",
            "build_systems": [SYSTEM],
            "nix_workers_secret_file": str(self._write_workers()),
            "allow_unauthenticated_control": True,
            "gcroots_user": self.gcroots_user,
            "eval_worker_count": 1,
            "pull_based": {"poll_interval": 1, "repositories": {}},
        }

    @property
    def twistd_log(self) -> Path:
        """Where the master says what it does."""
        return self.master_folder / "twistd.log"

    def start(self) -> None:
        """Starts the master and waits until it answers. Raises :class:`StartError`."""
        self.prepare()
        upgraded = self.run("buildbot", "upgrade-master", "--quiet", self.master_folder)
        if upgraded.returncode != 0:
            raise StartError(upgraded.stdout + upgraded.stderr)
        self.launch()
        if self not in self.running:
            self.running.append(self)
        try:
            self.wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def launch(self) -> None:
        """Starts the master in its folder, and does not wait for it."""
        output = self.folder / "master.out"
        self.master = Process(MASTER, output=output, cwd=self.master_folder, env=self.env)

    def wait_until_it_answers(self) -> None:
        """Waits for the web interface. Raises :class:`StartError`."""
        wait_until("the master's web interface", self._answers, seen=lambda: tail(self.twistd_log))

    def kill_master(self) -> None:
        """Ends the master as a power cut does."""
        assert self.master is not None
        self.master.send(signal.SIGKILL)
        self.master.wait()

    def prepare(self) -> None:
        """Makes the master's folder, as a new user does."""
        if not self.master_folder.exists():
            made = self.run("buildbot-nix", "init", self.master_folder)
            assert made.returncode == 0, made.stderr
        self._write_settings()

    def run(self, *argv: str | Path, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, in the master's folder once that is there."""
        cwd = self.master_folder if self.master_folder.exists() else self.folder
        return run(argv, cwd=cwd, env=self.env, seconds=seconds)

    def start_worker(self, name: str = "worker", **options: Any) -> Worker:
        """Starts a worker process and waits until all its slots are connected; see
        :class:`Worker`."""
        worker = self.new_worker(name, **options)
        worker.wait_until_connected()
        return worker

    def new_worker(self, name: str, **options: Any) -> Worker:
        """Starts a worker process that may not succeed to connect."""
        worker = Worker(self, name, **options)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """Ends everything, keeps the logs, and fails if a process of ours is left."""
        try:
            for worker in self.workers:
                worker.stop()
            if self.master is not None:
                self.master.stop()
            assert_none_left([str(self.folder), f"salt={RUN}"])
        finally:
            with contextlib.suppress(ValueError):
                self.running.remove(self)
            self._keep_logs()
            shutil.rmtree(GC_ROOTS / self.gcroots_user, ignore_errors=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Instance:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self.stop()

    def remove_machine(self, name: str) -> None:
        """Takes a machine out of the configuration, from the next :meth:`reconfigure` on."""
        del self.machines[name]
        self._write_workers()

    # Repositories

    def repository(
        self, name: str, files: Mapping[str, str | Link] | None = None, **settings: Any
    ) -> Repository:
        """Makes a repository with one commit and has the master poll it. ``settings`` are added
        to its entry in the settings."""
        return self.repositories({name: files}, **settings)[name]

    def repositories(
        self, contents: Mapping[str, Mapping[str, str | Link] | None], **settings: Any
    ) -> dict[str, Repository]:
        """Like :meth:`repository`, for many at once."""
        made = {}
        for name, files in contents.items():
            repository = made[name] = Repository(self.repositories_folder, name)
            if files is not None:
                repository.commit(files, message="Begin")
            self.settings["pull_based"]["repositories"][name] = {
                "url": repository.url,
                "default_branch": "main",
                **settings,
            }
        if self.master is not None:
            self.reconfigure()
        return made

    def poll_rarely(self, *names: str) -> None:
        """Polls of these repositories end, from the next :meth:`reconfigure` on."""
        for name in names:
            self.settings["pull_based"]["repositories"][name]["poll_interval"] = 86_400

    def reconfigure(self) -> None:
        """Makes the master read its settings again."""
        assert self.master is not None
        self._write_settings()
        seen = self.twistd_log.stat().st_size
        self.master.send(signal.SIGHUP)

        def ending() -> str | None:
            with self.twistd_log.open("rb") as file:
                file.seek(seen)
                text = file.read().decode(errors="replace")
            endings = ("configuration update complete", "update aborted", "update partially")
            return text if any(ending in text for ending in endings) else None

        said = wait_until("the new configuration", ending)
        assert "configuration update complete" in said, said

    # What a person sees

    def builder_id(self, name: str) -> int:
        """The number of the builder called ``name``."""
        return int(self.rest.get_one("builders", name=name)["builderid"])

    def evaluations(self, project: str) -> list[dict[str, Any]]:
        """Rows of the project's evaluations, newest first."""
        rows: list[dict[str, Any]] = self.rest.get(
            f"builders/{self.builder_id(f'{project}/nix-eval')}/builds",
            order="-number",
            property=["revision", "got_revision"],
        )
        return rows

    def find_evaluation(self, project: str, revision: str) -> dict[str, Any] | None:
        """The row of the newest evaluation of a revision, if one was started."""
        for row in self.evaluations(project):
            if revision in [value for value, _ in row["properties"].values()]:
                return row
        return None

    def wait_for_start(self, project: str, revision: str, seconds: float = PATIENCE) -> int:
        """Waits until the evaluation of a revision runs; returns its build's id."""
        row = wait_until(
            f"the start of an evaluation of {project} at {revision[:7]}",
            lambda: self.find_evaluation(project, revision),
            seconds,
            seen=lambda: self.evaluations(project),
        )
        return int(row["buildid"])

    def wait_for_build(self, project: str, revision: str, seconds: float = PATIENCE) -> Build:
        """Waits until the evaluation of a revision and its builds have ended."""
        return self.wait_for_end(self.wait_for_start(project, revision, seconds), seconds)

    def wait_for_end(self, build_id: int, seconds: float = PATIENCE) -> Build:
        """Waits until a build has ended."""
        wait_until(
            f"the end of build {build_id}",
            lambda: self.rest.get_one(f"builds/{build_id}")["complete"],
            seconds,
            seen=lambda: self.build(build_id).texts(),
        )
        return self.build(build_id)

    def build(self, build_id: int) -> Build:
        """What a build is now."""
        return read_build(self.rest, build_id)

    def children(self, build: Build | int) -> dict[str, Build]:
        """The builds that an evaluation did or recorded, by attribute without its system."""
        parent = build if isinstance(build, int) else build.id
        builds = [self.build(number) for number in self._triggered(parent)]
        return {child.properties["attr"].removeprefix(f"{SYSTEM}."): child for child in builds}

    def _triggered(self, parent: int) -> list[int]:
        """Ids of the builds that a build led to."""
        try:
            rows = self.rest.get(f"builds/{parent}/triggered_builds")
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            # Buildbot before 4.3 has no such list.
            sets = [row["bsid"] for row in self.rest.get("buildsets", parent_buildid=parent)]
            requests = [
                request["buildrequestid"]
                for number in sets
                for request in self.rest.get("buildrequests", buildsetid=number)
            ]
            rows = [
                row for number in requests for row in self.rest.get("builds", buildrequestid=number)
            ]
        return [row["buildid"] for row in rows]

    def child_results(self, build: Build | int) -> dict[str, str | None]:
        """Results of :meth:`children`."""
        return {name: child.result for name, child in self.children(build).items()}

    def requests(self, builder: str) -> list[dict[str, Any]]:
        """What was asked of a builder, with the result, once there is one, as a word."""
        rows = self.rest.get(f"builders/{self.builder_id(builder)}/buildrequests")
        return [
            {**row, "result": result_name(row["results"]) if row["complete"] else None}
            for row in rows
        ]

    def force(self, project: str, **fields: object) -> int:
        """Presses the button "Build"; returns the id of the evaluation that it starts."""
        return self.press(f"{project}-force", f"{project}/nix-eval", **fields)

    def press(self, button: str, builder: str | None = None, **fields: object) -> int:
        """Presses a button, on the page of the builder of that name unless another is named;
        returns the id of the build that it starts."""
        number = self.builder_id(builder or button)
        _, requests = self.rest.control(
            f"forceschedulers/{button}", "force", builderid=number, reason="by a test", **fields
        )
        return self._started(requests)

    def rebuild(self, build_id: int) -> int:
        """Presses the button "Rebuild" of a build; returns the id of the one that it starts."""
        _, requests = self.rest.control(f"builds/{build_id}", "rebuild")
        return self._started(requests)

    def evaluators(self) -> list[str]:
        """Command lines of evaluator processes, whatever the engine."""
        commands = processes_of([str(self.folder)]).values()
        return [command for command in commands if re.search(r"nix(-eval-jobs| repl) ", command)]

    # Inner parts

    def _started(self, requests: Mapping[str, int]) -> int:
        """The id of the build that is started for the only request."""
        (request,) = requests.values()
        rows = wait_until(
            f"the start of request {request}",
            lambda: self.rest.get(f"buildrequests/{request}/builds"),
        )
        return int(rows[0]["buildid"])

    def _answers(self) -> bool:
        assert self.master is not None
        if self.master.exit_status is not None:
            raise StartError(f"{self.master.tail(60)}\n{tail(self.twistd_log, 60)}")
        try:
            self.rest.get("masters", active="true")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _write_workers(self) -> Path:
        entries = [
            {"name": name, "pass": self.worker_password, "cores": slots}
            for name, slots in self.machines.items()
        ]
        path = self.folder / "workers.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(entries))
        return path

    def _write_settings(self) -> None:
        # JSON is YAML.
        (self.master_folder / "settings.yaml").write_text(json.dumps(self.settings, indent=2))

    def _keep_logs(self) -> None:
        kept = ARTIFACTS / self.name
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for file in [self.folder / "master.out", *self.folder.glob("*/twistd.log*")]:
            if file.exists():
                shutil.copy(file, kept / f"{file.parent.name}-{file.name}")
