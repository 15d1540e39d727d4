"""Looking for secrets where every user of the machine can see them."""

from __future__ import annotations

import threading

from tests.processes import processes_of


class Watch:
    """Looks for texts in all command lines as long as it is open."""

    def __init__(self, *texts: str) -> None:
        self.seen: set[str] = set()
        self._texts = texts
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            commands = processes_of(self._texts, environment=False).values()
            self.seen.update(
                command for command in commands if any(text in command for text in self._texts)
            )

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
