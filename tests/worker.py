"""The worker machine of a test."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.processes import TOOLS, Process, environment, tail
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.confined import Confinement
    from tests.hosts import Host
    from tests.instance import Instance


class Worker:
    """One worker process with the slots of a machine, on a ``host`` of its own or on this one."""

    def __init__(
        self,
        instance: Instance,
        name: str,
        *,
        tools: Sequence[Path] = TOOLS,
        env: Mapping[str, str] | None = None,
        url: str | None = None,
        host: Host | Confinement | None = None,
    ) -> None:
        self.name = name
        self._instance = instance
        self.slots = instance.machines[name]
        folder = instance.folder / f"worker-{name}"
        folder.mkdir(exist_ok=True)
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text(instance.worker_password)
        self.folder = folder
        self.log = folder / "twistd.log"
        variables = {
            **environment(instance.folder / "home", tools),
            **(host.env if host else {}),
            "MASTER_URL": url or f"tcp:host=127.0.0.1:port={instance.worker_port}",
            "WORKER_NAME": name,
            "WORKER_COUNT": str(self.slots),
            "WORKER_PASSWORD_FILE": str(password),
            "BUILDBOT_DIR": str(folder / "slot"),
            **(env or {}),
        }
        argv: list[str | Path] = [
            *(TOOLS[1] / "twistd", "--nodaemon", "--no_save"),
            f"--python={instance.master_folder / 'worker.tac'}",
        ]
        self.process = Process(
            host.command(argv) if host else argv,
            output=self.log,
            cwd=folder,
            env=variables,
        )

    def connected(self) -> list[str]:
        """Names of the slots that are connected."""
        rows = self._instance.rest.get("workers")
        prefix = f"{self.name}-"
        return [
            row["name"] for row in rows if row["connected_to"] and row["name"].startswith(prefix)
        ]

    def wait_until_connected(self) -> None:
        """Waits for all slots."""

        def connected() -> bool:
            assert self.process.exit_status is None, self.process.tail()
            return len(self.connected()) == self.slots

        wait_until(f"the slots of {self.name}", connected, seen=lambda: tail(self.log))

    def stop(self) -> None:
        """Ends it, and waits until the master knows."""
        if self.process.exit_status is not None:
            return
        self.process.stop()
        master = self._instance.master
        if master is not None and master.exit_status is None:
            wait_until(f"the master's goodbye to {self.name}", lambda: not self.connected())

    def kill(self) -> None:
        """Ends it as a power cut does, with everything it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
