"""Machines that are none: each has a network card, a Nix store and a home of its own on this one.

They are network namespaces on a bridge. Who is root can have them, where the kernel knows bridges.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from tests.processes import TOOLS, Process
from tests.waiting import wait_until

#: Not always on the PATH of who is root.
IP = shutil.which("ip", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
SSHD = Path("/usr/sbin/sshd")
#: For measuring networks (RFC 2544), so that nobody can want to reach them.
SUBNETS = "198.18.{number}.{{host}}"


class Network:
    """A bridge with machines on it, of which this one is the first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bridge = f"bn{uuid4().hex[:6]}"
        self._addresses = SUBNETS.format(number=random.randrange(256))
        self.address = self._addresses.format(host=1)
        self.hosts: list[Host] = []
        ip("link", "add", self._bridge, "type", "bridge")
        ip("address", "add", f"{self.address}/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")

    def add(self, name: str) -> Host:
        """A machine with an empty store."""
        number = len(self.hosts) + 2
        host = Host(
            self._folder / name,
            f"{self._bridge}-{number}",
            self._addresses.format(host=number),
            self._bridge,
        )
        self.hosts.append(host)
        return host

    def __enter__(self) -> Network:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        for host in self.hosts:
            host.remove()
        ip("link", "delete", self._bridge)

    @staticmethod
    def why_not() -> str | None:
        """Why there can be none here; None if there can."""
        if IP is None:
            return "there is no program `ip` (iproute2)"
        name = f"bn{uuid4().hex[:6]}"
        tried = [["netns", "add", name], ["link", "add", name, "type", "bridge"]]
        tried.append(["netns", "exec", name, "mount", "--bind", "/tmp", "/nix"])
        try:
            for arguments in tried:
                ip(*arguments)
        except subprocess.CalledProcessError as error:
            words = str(error.stderr).strip()
            return f"`ip {' '.join(error.cmd[1:])}` does not work here: {words}"
        finally:
            for undo in (["netns", "delete", name], ["link", "delete", name]):
                with contextlib.suppress(subprocess.CalledProcessError):
                    ip(*undo)
        return None


class Host:
    """One of them."""

    def __init__(self, folder: Path, name: str, address: str, bridge: str) -> None:
        self.name = name
        self.address = address
        self.folder = folder
        #: What is ``/nix`` there.
        self.nix = folder / "nix"
        for made in (self.nix, folder / "home", folder / "tmp"):
            made.mkdir(parents=True)
        self.env = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
        ip("netns", "add", name)
        # This end of the cable, and that one.
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", name, "master", bridge, "up")
        ip("-netns", name, "address", "add", f"{address}/24", "dev", "eth0")
        for card in ("lo", "eth0"):
            ip("-netns", name, "link", "set", card, "up")

    def command(self, argv: Sequence[str | Path]) -> list[str | Path]:
        """What runs a program there."""
        # `ip netns exec` makes a mount namespace too, so only the program sees this.
        script = 'mount --bind "$0" /nix && exec "$@"'
        assert IP is not None
        return [IP, "netns", "exec", self.name, "sh", "-c", script, self.nix, *argv]

    def has(self, path: str) -> bool:
        """Whether ``path``, below ``/nix``, is there."""
        return (self.nix / path.removeprefix("/nix/")).exists()

    def cut(self) -> None:
        """Pulls the cable: no connection ends, nothing arrives any more."""
        ip("link", "set", self.name, "down")

    def mend(self) -> None:
        """Puts the cable back."""
        ip("link", "set", self.name, "up")

    def kill(self) -> None:
        """Ends all that runs there at once."""
        for pid in ip("netns", "pids", self.name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def remove(self) -> None:
        """Ends all that runs there, and takes it away."""
        self.kill()
        wait_until(f"the end of {self.name}", lambda: not ip("netns", "pids", self.name))
        ip("netns", "delete", self.name)


class SshServer:
    """Lets who has ``key`` in as root, on a host. What is run there finds ``env``."""

    def __init__(self, host: Host, env: Mapping[str, str]) -> None:
        folder = host.folder / "ssh"
        folder.mkdir(mode=0o700)
        self.key, self._host_key = folder / "key", folder / "host-key"
        for key in (self.key, self._host_key):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
            subprocess.run(argv, check=True, capture_output=True)
        inside = {"PATH": f"{':'.join(map(str, TOOLS))}:/usr/bin:/bin", **env}
        config = folder / "sshd_config"
        config.write_text(
            f"HostKey {self._host_key}\nAuthorizedKeysFile {self.key}.pub\n"
            f"ListenAddress {host.address}\nPidFile none\nUsePAM no\nStrictModes no\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            f"SetEnv {' '.join(f'{name}={value}' for name, value in inside.items())}\n"
        )
        self.output = folder / "log"
        # Where it wants to have an empty folder.
        script = 'mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec "$@"'
        argv = ["sh", "-c", script, "sshd", str(SSHD), "-D", "-e", "-f", str(config)]
        self._command = host.command(argv)
        self._env = {"PATH": os.environ.get("PATH", os.defpath), **host.env}
        self.start()

    def start(self) -> None:
        """Starts it, also again."""
        self.output.unlink(missing_ok=True)
        folder = self.output.parent
        self._process = Process(self._command, output=self.output, cwd=folder, env=self._env)
        wait_until("sshd", lambda: "listening" in self.output.read_text(), seen=self._process.tail)

    @property
    def host_key(self) -> str:
        """The public one, as known_hosts has it."""
        return self._host_key.with_suffix(".pub").read_text().strip()

    def stop(self) -> None:
        """Ends it."""
        self._process.stop()


def ip(*arguments: str) -> str:
    """What ``ip`` prints."""
    assert IP is not None
    return subprocess.run(
        [IP, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
