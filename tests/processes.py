"""Starting programs for a test, and seeing to it that none is left."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parent.parent
#: Where set-up put the tools; elsewhere if the checkout is read-only, as in the Nix store.
BUILD = Path(os.environ.get("BUILDBOT_NIX_BUILD", CHECKOUT / ".build"))
#: Where logs and screenshots are kept.
ARTIFACTS = BUILD / "artifacts"
#: What set-up has made, in the order of PATH: the native command goes before the console script.
TOOLS = [BUILD / "bin", BUILD / "venv/bin", BUILD / "nix/bin"]

#: Where the ports begin that :func:`free_port` gives, and where Linux has where they must end.
FIRST_PORT = 15000
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def environment(home: Path, tools: Sequence[Path] = TOOLS) -> dict[str, str]:
    """Variables for programs under test: nothing of the person who runs them but PATH."""
    path = [*map(str, tools), os.environ.get("PATH", os.defpath)]
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join(path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def free_port() -> int:
    """A TCP port of the loopback interface for a server that may be down for a while: none that the
    system gives to a connection meanwhile, and none that this has returned before."""
    ports = range(FIRST_PORT, max(first_of_connections(), FIRST_PORT + 10_000))
    while True:
        port = random.choice(ports)
        if port not in _given and is_free(port):
            _given.add(port)
            return port


def first_of_connections() -> int:
    """The first port that the system chooses itself."""
    try:
        return int(PORT_RANGE.read_text().split()[0])
    except OSError:
        return 32768


def is_free(port: int) -> bool:
    """Whether one can listen on ``port``."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def run(
    argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, whatever that is. Finds it on the PATH of ``env``."""
    return subprocess.run(
        resolve(argv, env),
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


def resolve(argv: Sequence[str | Path], env: Mapping[str, str]) -> list[str]:
    """``argv`` with the program's whole path, which subprocess would look up on *our* PATH."""
    program = shutil.which(str(argv[0]), path=env.get("PATH", os.defpath))
    if program is None:
        raise FileNotFoundError(f"{argv[0]} is not on PATH {env.get('PATH')}")
    return [program, *map(str, argv[1:])]


class Process:
    """A program that runs beside the test; what it says goes to a file."""

    def __init__(
        self, argv: Sequence[str | Path], *, output: Path, cwd: Path, env: Mapping[str, str]
    ) -> None:
        self.output = output
        self.name = f"{Path(argv[0]).name} in {cwd}"
        with output.open("ab") as file:
            # A session of its own: Ctrl-C in a terminal is for us, who then end it in order.
            self._popen = subprocess.Popen(
                resolve(argv, env),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    @property
    def exit_status(self) -> int | None:
        """None as long as it runs; negative if a signal ended it."""
        return self._popen.poll()

    def wait(self, seconds: float = 30) -> int:
        """Waits for its end."""
        return self._popen.wait(seconds)

    def stop(self, seconds: float = 30, how: int = signal.SIGTERM) -> None:
        """Asks it to end, and kills it with its session if it does not."""
        if self.exit_status is not None:
            return
        self._popen.send_signal(how)
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
            raise AssertionError(f"{self.name} did not end within {seconds:g} s") from None

    def send(self, number: int) -> None:
        """Sends it a signal."""
        self._popen.send_signal(number)

    def tail(self, lines: int = 30) -> str:
        """The end of what it said."""
        return tail(self.output, lines)


def tail(file: Path, lines: int = 40) -> str:
    """The last lines of a file that may not be there."""
    try:
        text = file.read_text(errors="replace")
    except FileNotFoundError:
        return f"(no {file})"
    return "\n".join(text.splitlines()[-lines:])


def processes_of(marks: Iterable[str], *, environment: bool = True) -> dict[int, str]:
    """Processes that have one of ``marks`` in their command line, environment or folder."""
    wanted = [mark.encode() for mark in marks]
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        # It may end while we look, and others' secrets are not ours to read.
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            parts = [command]
            if environment:
                parts += [os.readlink(entry / "cwd").encode(), (entry / "environ").read_bytes()]
            text = b"\0".join(parts)
            if command and any(mark in text for mark in wanted):
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def files_with(folder: Path, text: str) -> set[Path]:
    """Files below ``folder`` that hold ``text``."""
    wanted = text.encode()
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path for path in files if wanted in path.read_bytes()}


def assert_none_left(marks: Iterable[str], seconds: float = 10) -> None:
    """Fails if a process with one of ``marks`` lives on; see :func:`processes_of`."""
    kept = list(marks)
    wait_until(
        f"the end of all processes of {kept[0]}",
        lambda: not processes_of(kept),
        seconds,
        seen=lambda: processes_of(kept),
    )
