"""A burst of webhooks: how soon each is acknowledged, and whether the master acts on all."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

from bench.instance import Bench, Options
from bench.report import Aim, heading, row
from tests.fakes.deliveries import Delivery
from tests.fakes.gitea import Gitea
from tests.repository import flake
from tests.waiting import wait_until

DELIVERIES = 1000
REPOSITORIES = 10
#: Deliveries on their way at the same time. A forge sends those of one event after the other, so
#: this is how many people push at once.
CONNECTIONS = (10, 50)
TITLES = [
    *("Buildbot", "deliveries", "at the same time", "50 % ms", "99 % ms", "longest ms"),
    *("all acknowledged s", "all acted on s", "master CPU s", "longest stall ms", "of it busy"),
]


@dataclass(frozen=True)
class Answer:
    """What a delivery was answered with."""

    status: int
    seconds: float


def deliveries(options: Options) -> Iterator[str | Aim]:
    """New pull requests of ten repositories, with nobody there to build them."""
    for buildbot in options.buildbots:
        yield heading(TITLES)
        with contextlib.ExitStack() as stack:
            gitea = stack.enter_context(Gitea(compared=False))
            bench = Bench("deliveries", buildbot, options)
            samples = set_up(bench, gitea, stack)
            for burst, at_once in enumerate(CONNECTIONS):
                requests = [
                    request_of(gitea, samples[number % REPOSITORIES], burst, number)
                    for number in range(DELIVERIES)
                ]
                yield from measure(bench, requests, at_once)


def set_up(bench: Bench, gitea: Gitea, stack: contextlib.ExitStack) -> list[Delivery]:
    """Starts the master; returns what a pull request of each repository makes the forge send."""
    instance = bench.instance
    gitea.organization("team", admins=["bot"])
    token, secret = instance.folder / "token", instance.folder / "hooks"
    token.write_text(gitea.bot_token("bot").text)
    secret.write_text("a secret of webhooks")
    instance.settings["gitea"] = {
        "instance_url": gitea.url,
        "token_file": str(token),
        "webhook_secret_file": str(secret),
        "filters": {"topic": "build"},
    }
    made = [
        gitea.create_repository(f"team/site{number}", flake(), topics=["build"])
        for number in range(REPOSITORIES)
    ]
    stack.enter_context(bench.running(workers=False))
    wait_until("all webhooks", lambda: all(repository.hooks for repository in made))
    gitea.deliveries.hold()
    for repository in made:
        gitea.open_pull_request(repository, {"text": "proposed"}, by="mallory", fork=True)
    return gitea.deliveries.find("pull_request", "opened")


def request_of(gitea: Gitea, sample: Delivery, burst: int, number: int) -> bytes:
    """A request that tells of another pull request than ``sample``."""
    payload = copy.deepcopy(sample.payload)
    payload["number"] = payload["pull_request"]["number"] = 1000 * (burst + 1) + number
    payload["pull_request"]["id"] = 10_000 * (burst + 1) + number
    sha = hashlib.sha1(f"{burst} {number}".encode()).hexdigest()
    payload["pull_request"]["head"]["sha"] = sha
    delivery = Delivery(sample.hook, sample.event, payload, sample.kind)
    url = urlsplit(delivery.hook.url)
    headers = {
        "Host": url.netloc,
        "Content-Type": "application/json",
        "Content-Length": str(len(delivery.body)),
        **gitea.sign(delivery),
    }
    lines = [f"POST {url.path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + delivery.body


def measure(bench: Bench, requests: Sequence[bytes], at_once: int) -> Iterator[str | Aim]:
    """Sends all ``requests``, ``at_once`` at the same time, and waits for what comes of them."""
    database = bench.instance.master_folder / "state.sqlite"
    before = count(database, "changes")
    start = bench.start()
    begun = time.monotonic()
    answers = asyncio.run(send(requests, bench.instance.port, at_once))
    acknowledged = time.monotonic() - begun
    wait_until(
        "the end of all that deliveries lead to",
        lambda: count(database, "nix_deliveries where text is not null") == 0,
        600,
    )
    acted_on = time.monotonic() - begun
    spent = bench.measure("deliveries", len(requests), start)
    lost = len(requests) - (count(database, "changes") - before)
    times = [1000 * answer.seconds for answer in answers]
    cuts = quantiles(times, n=100)
    yield row([
        *(bench.buildbot, len(requests), at_once, f"{cuts[49]:.0f}", f"{cuts[98]:.0f}"),
        *(f"{max(times):.0f}", f"{acknowledged:.1f}", f"{acted_on:.1f}", f"{spent.cpu:.1f}"),
        *(f"{1000 * spent.stall:.0f}", f"{1000 * spent.busy:.0f}"),
    ])  # fmt: skip
    about = f"{bench.buildbot}: {len(requests)} deliveries, {at_once} at once"
    refused = sum(answer.status != 202 for answer in answers)
    yield Aim(f"{about}: not accepted", refused, 0)
    yield Aim(f"{about}: without a change", lost, 0)
    yield Aim(f"{about}: acknowledged, 99 %", cuts[98], 100, "ms")
    yield Aim(f"{about}: longest stall", 1000 * spent.busy, 50, "ms")


async def send(requests: Sequence[bytes], port: int, at_once: int) -> list[Answer]:
    """The answers, in no order."""
    waiting = list(requests)
    answers: list[Answer] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            request = waiting.pop()
            begun = time.monotonic()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            answers.append(Answer(int(head.split(" ")[1]), time.monotonic() - begun))
            await read_body(reader, head)
        writer.close()

    await asyncio.gather(*(client() for _ in range(at_once)))
    return answers


async def read_body(reader: asyncio.StreamReader, head: str) -> None:
    """The rest of an answer, so that the connection can be used again."""
    if "transfer-encoding: chunked" not in head.lower():
        length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
        await reader.readexactly(int(length))
        return
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()


def count(database: Path, what: str) -> int:
    """Rows, read beside the master."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"select count(*) from {what}").fetchone()[0])
