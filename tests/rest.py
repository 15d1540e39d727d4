"""Buildbot's REST API, as a person's script would use it."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

#: Proxies of the environment are for other hosts.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

#: On a busy machine, about one answer of Buildbot in some thousand ends behind its head.
TRIES = 3

#: Buildbot's results by number.
RESULTS = ["success", "warnings", "failure", "skipped", "exception", "retry", "cancelled"]


class Rest:
    """A client of one master."""

    #: Sent with every request.
    headers: dict[str, str] = {}

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: object) -> Any:
        """The resources at ``path``; names in ``query`` are Buildbot's filters."""
        answer = self._open(path, query)
        document = json.loads(answer)
        rows = [value for key, value in document.items() if key != "meta"]
        return rows[0]

    def get_one(self, path: str, **query: object) -> dict[str, Any]:
        """The only resource at ``path``."""
        rows: list[dict[str, Any]] = self.get(path, **query)
        assert len(rows) == 1, f"{path} {query} has {len(rows)} rows"
        return rows[0]

    def text(self, path: str) -> str:
        """What is at ``path``, which is no JSON."""
        return self._open(path, {}).decode(errors="replace")

    def control(self, path: str, method: str, **params: object) -> Any:
        """Asks the master to do something; see :class:`RefusedError`."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(
            f"{self.url}api/v2/{path}",
            data=json.dumps(call).encode(),
            headers={"Content-Type": "application/json", **self.headers},
        )
        try:
            with OPENER.open(request, timeout=30) as answer:
                return json.load(answer).get("result")
        except urllib.error.HTTPError as error:
            raise RefusedError(error.code, error.read().decode(errors="replace")) from None

    def _open(self, path: str, query: dict[str, object]) -> bytes:
        encoded = urllib.parse.urlencode(query, doseq=True)
        address = f"{self.url}api/v2/{urllib.parse.quote(path)}?{encoded}"
        for attempt in range(1, TRIES + 1):
            try:
                request = urllib.request.Request(address, headers=self.headers)
                with OPENER.open(request, timeout=30) as answer:
                    return bytes(answer.read())
            except http.client.IncompleteRead:
                if attempt == TRIES:
                    raise
        raise AssertionError("not reached")


class RefusedError(Exception):
    """The master did not do what it was asked to."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


@dataclass
class Step:
    """One step of a build."""

    name: str
    result: str | None
    text: str
    complete_at: float | None = None
    #: Texts of its logs by name.
    logs: dict[str, str] = field(default_factory=dict)
    urls: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Build:
    """A build with all that a person can see of it."""

    id: int
    number: int
    builder_id: int
    #: Name of its builder, which for an attribute is the virtual one.
    builder: str
    result: str | None
    #: The text that stands for it in lists.
    text: str
    started_at: float
    complete_at: float | None
    properties: dict[str, Any]
    #: Sources of the properties.
    sources: dict[str, str]
    steps: dict[str, Step]

    @property
    def path(self) -> str:
        """Its page, below the master's URL."""
        return f"#/builders/{self.builder_id}/builds/{self.number}"

    def log(self, step: str, name: str = "stdio") -> str:
        """The text of a log."""
        return self.steps[step].logs[name]

    def texts(self) -> str:
        """All that it shows, for messages of assertions."""
        lines = [f"build {self.id} of {self.builder}: {self.result}: {self.text}"]
        for step in self.steps.values():
            lines.append(f"  {step.name}: {step.result}: {step.text}")
            for name, log in step.logs.items():
                lines += [f"    {name}> {line}" for line in log.splitlines()[-20:]]
        return "\n".join(lines)


def result_name(number: int | None) -> str | None:
    """The word for a result."""
    return None if number is None else RESULTS[number]


def read_build(rest: Rest, build_id: int) -> Build:
    """Everything about one build."""
    row = rest.get_one(f"builds/{build_id}", property="*")
    builder = rest.get_one(f"builders/{row['builderid']}")
    steps = {}
    for step in rest.get(f"builds/{build_id}/steps"):
        logs = {}
        for log in rest.get(f"steps/{step['stepid']}/logs"):
            logs[log["name"]] = rest.text(f"logs/{log['logid']}/raw_inline")
        steps[step["name"]] = Step(
            name=step["name"],
            result=result_name(step["results"]) if step["complete"] else None,
            text=step["state_string"],
            complete_at=step["complete_at"],
            logs=logs,
            urls=step["urls"],
        )
    return Build(
        id=build_id,
        number=row["number"],
        builder_id=row["builderid"],
        builder=builder["name"],
        result=result_name(row["results"]) if row["complete"] else None,
        text=row["state_string"],
        started_at=row["started_at"],
        complete_at=row["complete_at"],
        properties={name: value for name, (value, _) in row["properties"].items()},
        sources={name: source for name, (_, source) in row["properties"].items()},
        steps=steps,
    )
