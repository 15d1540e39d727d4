"""A check that ends when a test says so: it needs a file from a web server."""

from __future__ import annotations

import hashlib
import threading
from uuid import uuid4

from tests.fakes.server import Answer, Exchange, Server


class Download:
    """The file. Who asks for it is told that there is none, or with ``waits`` waits until there
    is."""

    def __init__(self, *, waits: bool = False) -> None:
        self._text = f"some text {uuid4().hex}".encode()
        self._is_there = threading.Event()
        self._waits = waits
        self._server = Server(self._serve)
        digest = hashlib.sha256(self._text).hexdigest()
        #: Nix text of the attribute ``uses``.
        self.checks = f"""
          uses = let
            fetched = derivation {{
              name = "fetched"; system = "builtin"; builder = "builtin:fetchurl";
              url = "{self._server.url}/text";
              outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "{digest}";
            }};
          in drv "uses" "read -r text < ${{fetched}}; echo done > $out" {{}};
        """

    def appear(self) -> None:
        """From now on it is there."""
        self._is_there.set()

    def _serve(self, exchange: Exchange) -> None:
        if self._waits:
            self._is_there.wait()
        exchange.send(Answer(200, self._text) if self._is_there.is_set() else Answer(404))

    def __enter__(self) -> Download:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_there.set()
        self._server.stop()
