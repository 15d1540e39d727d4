"""A PostgreSQL server for one test run, with nothing of the machine's but its programs."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path

from tests.processes import Process, free_port, run
from tests.waiting import wait_until

#: Who runs the server when we are root, whom it refuses.
UNPRIVILEGED = "nobody"
USER = "ci"


class PostgresServer:
    """A running server with one empty database, whose user needs a password."""

    def __init__(self, password: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="buildbot-nix-postgres-"))
        self.port = free_port()
        self.url = f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/postgres"
        self.process: Process | None = None
        self._env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        self._client_env = {**self._env, "PGPASSWORD": password}
        password_file = self.folder / "password"
        password_file.write_text(password)
        if os.getuid() == 0:
            for path in (self.folder, password_file):
                shutil.chown(path, UNPRIVILEGED)
        made = run(
            self._command(
                *("initdb", "--pgdata", str(self.folder / "data"), "--username", USER),
                *("--pwfile", str(password_file), "--auth", "scram-sha-256", "--no-sync"),
                *("--encoding", "UTF8"),
            ),
            cwd=self.folder,
            env=self._env,
        )
        assert made.returncode == 0, made.stderr
        self.start()

    def start(self) -> None:
        """Starts it, with the data that it had."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            # Speed; a test kills the server, but cuts no power.
            "fsync": "off",
        }
        settings = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        self.process = Process(
            self._command(
                *("postgres", "-D", str(self.folder / "data"), "-p", str(self.port)), *settings
            ),
            output=self.folder / "log",
            cwd=self.folder,
            env=self._env,
        )
        wait_until("the database server", self._is_ready, 30, seen=self.process.tail)

    def stop(self) -> None:
        """Ends it at once, whoever is connected."""
        if self.process is not None:
            self.process.stop(how=signal.SIGINT)
            self.process = None

    def kill(self) -> None:
        """Ends the server as a power cut does, with all that it runs."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def remove(self) -> None:
        """Ends it and removes its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.exit_status is None, self.process.tail()
        probe = ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-c", "", "postgres"]
        command = [program(probe[0]), *probe[1:]]
        return run(command, cwd=self.folder, env=self._client_env).returncode == 0

    def _command(self, name: str, *arguments: str) -> list[str]:
        command = [program(name), *arguments]
        if os.getuid() == 0:
            # Not runuser or su: they would stay between us and the server's signals.
            user = pwd.getpwnam(UNPRIVILEGED)
            drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"]
            return [*drop, "--clear-groups", "--", *command]
        return command


def program(name: str) -> str:
    """A program of the newest PostgreSQL here. Debian keeps most of them off PATH."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    newest = sorted(folders, key=lambda folder: int(folder.parent.name), reverse=True)
    places = [*map(str, newest), os.environ["PATH"]]
    found = shutil.which(name, path=os.pathsep.join(places))
    assert found, f"no {name}; PostgreSQL is not installed"
    return found
