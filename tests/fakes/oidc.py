"""An OpenID Connect provider that is certified to be one: npm's ``oidc-provider``."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.fakes.documents import FOLDER
from tests.processes import Process, free_port
from tests.waiting import wait_until

SCRIPT = Path(__file__).with_name("oidc.mjs")


class IdentityProvider:
    """Knows whoever says who they are, and more of ``people``: claims by name."""

    def __init__(
        self, redirect: str, people: dict[str, dict[str, Any]], method: str = "client_secret_basic"
    ) -> None:
        self.client_id = "buildbot"
        self.client_secret = "s&cret+of the: tests"
        port = free_port()
        self.discovery_url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
        self._folder = Path(tempfile.mkdtemp(prefix="buildbot-nix-oidc-"))
        client = {
            "id": self.client_id,
            "secret": self.client_secret,
            "redirect": redirect,
            "method": method,
        }
        settings = {
            "people": people,
            "client": client,
            "modules": str(FOLDER / "node_modules"),
            "port": port,
        }
        self._command = ["node", str(SCRIPT), json.dumps(settings)]
        self.start()

    def start(self) -> None:
        """Starts it, again after :meth:`stop`."""
        self._process = Process(
            self._command,
            output=self._folder / "provider.log",
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
        )
        try:
            wait_until("the identity provider", self._answers, seen=self._process.tail)
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Ends it for now."""
        self._process.stop()

    def close(self) -> None:
        """Ends it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.discovery_url, timeout=5):
                return True
        except OSError:
            return False
