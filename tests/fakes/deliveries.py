"""Sending webhooks, as forges do: signed, in order, once, with the answer kept."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from tests.fakes.model import Hook, Repository
from tests.rest import OPENER
from tests.waiting import wait_until

#: Makes the headers of a delivery from event, kind of event, identity, body and secret.
Signer = Callable[["Delivery"], dict[str, str]]
#: Seconds that GitHub waits for an answer.
PATIENCE = 10


@dataclass
class Attempt:
    """What a delivery was answered with; status 0: nothing."""

    status: int
    text: str
    seconds: float


@dataclass(eq=False)
class Delivery:
    """One message to one hook."""

    hook: Hook
    event: str
    payload: Any
    #: What kind of the event it is, as Gitea names it.
    kind: str = ""
    repository: Repository | None = None
    #: Other headers than the signer makes.
    headers: dict[str, str] = field(default_factory=dict)
    guid: str = field(default_factory=lambda: str(uuid4()))
    id: int = 0
    delivered: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)
    #: Instead of the payload's own JSON.
    raw: bytes | None = None

    @property
    def body(self) -> bytes:
        """What is signed and sent."""
        return json.dumps(self.payload).encode() if self.raw is None else self.raw

    @property
    def action(self) -> str | None:
        """What became of the thing that the event is about."""
        return self.payload.get("action") if isinstance(self.payload, dict) else None

    @property
    def status(self) -> int | None:
        """What it was answered with last; none if it was not sent."""
        return self.attempts[-1].status if self.attempts else None


class Deliveries:
    """Sends in the order in which things happened, never again by itself."""

    def __init__(self, sign: Signer, now: Callable[[], datetime]) -> None:
        #: All, whether sent or not.
        self.all: list[Delivery] = []
        self._sign = sign
        self._now = now
        self._held: list[Delivery] | None = None
        self._dropping = False
        self._queue: queue.Queue[Delivery | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def add(self, delivery: Delivery) -> None:
        """Sends one soon."""
        self.all.append(delivery)
        if self._dropping:
            return
        if self._held is not None:
            self._held.append(delivery)
        else:
            self._queue.put(delivery)

    def send(self, delivery: Delivery) -> Attempt:
        """Sends one now, or again, with the same identity. Returns the answer."""
        headers = {**self._sign(delivery), **delivery.headers}
        request = urllib.request.Request(delivery.hook.url, delivery.body, headers)
        started = time.monotonic()
        try:
            with OPENER.open(request, timeout=PATIENCE) as answer:
                status, text = answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            status, text = 0, str(error)
        attempt = Attempt(status, text, time.monotonic() - started)
        delivery.delivered = self._now()
        delivery.attempts.append(attempt)
        return attempt

    def hold(self) -> None:
        """Keeps what happens from now on until :meth:`release`."""
        self.settle()
        self._held = []

    def release(self, order: Callable[[list[Delivery]], list[Delivery]] = list) -> None:
        """Sends what was held, in another order if so wanted."""
        held, self._held = self._held or [], None
        for delivery in order(held):
            self._queue.put(delivery)

    def drop(self, dropping: bool = True) -> None:
        """From now on nothing arrives, and nobody notices; or everything again."""
        self.settle()
        self._dropping = dropping

    def settle(self, seconds: float = 60) -> None:
        """Waits until all that happened was sent."""
        wait_until("the end of deliveries", lambda: self._queue.unfinished_tasks == 0, seconds)

    def find(self, event: str, action: str | None = None) -> list[Delivery]:
        """Those of an event, first to last."""
        return [
            each
            for each in self.all
            if each.event == event and (action is None or each.action == action)
        ]

    def refused(self) -> list[Delivery]:
        """Those whose last answer was not good."""
        return [each for each in self.all if each.attempts and not 200 <= (each.status or 0) < 300]

    def stop(self) -> None:
        """Sends nothing more."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (delivery := self._queue.get()) is not None:
            try:
                self.send(delivery)
            finally:
                self._queue.task_done()
