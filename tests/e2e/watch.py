"""Looking for secrets where every user of the machine can see them."""

from __future__ import annotations

import threading

from tests.processes import processes_of


class Watch:
    """Looks for a text in all command lines as long as it is open."""

    def __init__(self, text: str) -> None:
        self.seen: set[str] = set()
        self._text = text
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            commands = processes_of([self._text], environment=False).values()
            self.seen.update(command for command in commands if self._text in command)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
