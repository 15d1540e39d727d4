"""Members and strangers of a forge's organisation: each sees and does what is theirs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
import websocket

from tests.fakes.github import GitHub
from tests.fakes.model import Repository
from tests.instance import Instance
from tests.person import Person
from tests.repository import flake
from tests.waiting import wait_until

TOPIC = "build-with-buildbot"
#: In everything that belongs to the private repository, and nowhere else.
HIDDEN = "hush"


class Acme:
    """An organisation with a public and a private repository, and people."""

    def __init__(self, instance: Instance, github: GitHub) -> None:
        self.instance = instance
        self.github = github
        app = github.create_app()
        github.organization("acme", admins=["boss"], members=["alice"])
        github.user("eve")
        self.open = self.repository("acme/open", private=False)
        self.hidden = self.repository(f"acme/{HIDDEN}", private=True)
        files = {name: instance.folder / name for name in ("hooks", "key", "oauth")}
        client = github.oauth.register(f"{instance.url}auth/login")
        files["hooks"].write_text("a secret of webhooks")
        files["key"].write_text(app.key)
        files["oauth"].write_text(client.secret)
        instance.settings.update(
            allow_unauthenticated_control=False,
            auth_backend="github",
            admins=["root"],
            github={
                "id": app.id,
                "secret_key_file": str(files["key"]),
                "webhook_secret_file": str(files["hooks"]),
                "instance_url": github.url,
                "api_url": github.api_url,
                "oauth_id": client.id,
                "oauth_secret_file": str(files["oauth"]),
                "filters": {"topic": TOPIC},
            },
        )
        github.install(app, "acme")
        github.user("root")

    def repository(self, name: str, *, private: bool) -> Repository:
        word = name.partition("/")[2]
        files = flake(f'  {word}-one = ok "{word}";\n  {word}-bad = drv "{word}" "false" {{}};')
        return self.github.create_repository(name, files, topics=[TOPIC], private=private)

    def person(self, login: str | None) -> Person:
        """Somebody, logged in unless they are nobody."""
        person = Person(self.instance.url)
        if login is not None:
            self.github.oauth.person = self.github.account(login)
            assert person.get("auth/login?redirect=/").status == 200
            assert person.who()["username"] == login
        return person


@pytest.fixture(scope="module")
def acme() -> Iterator[Acme]:
    """Both repositories have been built."""
    with Instance("rights") as instance, GitHub(compared=False) as github:
        made = Acme(instance, github)
        instance.start()
        instance.start_worker()
        root = made.person("root")
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in root.cookies)
        instance.rest.headers = {"Cookie": cookies}
        for repository in (made.open, made.hidden):
            head = repository.branch("main")
            assert head is not None
            instance.wait_for_build(repository.full_name, head)
        yield made


#: What there is of each thing, below it.
BELOW = {
    "builders": ("", "/builds", "/buildrequests", "/forceschedulers", "/workers", "/masters"),
    "builds": ("", "/properties", "/steps", "/changes", "/data", "/triggered_builds"),
    "buildrequests": ("", "/builds"),
    "buildsets": ("", "/properties", "/sourcestamps"),
    "changes": ("", "/builds"),
    "changesources": ("",),
    "forceschedulers": ("",),
    "masters": ("", "/builders", "/schedulers", "/workers", "/changesources"),
    "projects": ("", "/builders"),
    "schedulers": ("",),
    "sourcestamps": ("", "/changes"),
    "workers": ("", "/builds", "/builders"),
    "steps": ("", "/logs"),
    "logs": ("", "/contents", "/raw", "/raw_inline"),
}


def addresses(acme: Acme) -> Iterator[str]:
    """Every address of the interface, as the admin knows them."""
    rest = acme.instance.rest
    ids: dict[str, list[object]] = {"steps": [], "logs": []}
    for plural in BELOW:
        if plural in ids:
            continue
        yield f"api/v2/{plural}"
        yield f"api/v2/{plural}?limit=3&order=-{key_of(plural)}"
        ids[plural] = [row[key_of(plural)] for row in rest.get(plural)]
    for build in ids["builds"]:
        steps = [step["stepid"] for step in rest.get(f"builds/{build}/steps")]
        ids["steps"] += steps
        for step in steps:
            ids["logs"] += [log["logid"] for log in rest.get(f"steps/{step}/logs")]
    for plural, below in BELOW.items():
        for id in ids[plural]:
            for path in below:
                yield f"api/v2/{plural}/{id}{path}"
    for log in ids["logs"]:
        yield f"api/v2/logchunks?logid={log}"
    yield from ("", "config", "api/v2", "api/v2/builds?property=*", "api/v2/application.spec")


def key_of(plural: str) -> str:
    """The name of the number, or name, of things."""
    return {
        "forceschedulers": "name",
        "buildsets": "bsid",
        "changes": "changeid",
        "sourcestamps": "ssid",
    }.get(plural, f"{plural.removesuffix('s')}id")


@pytest.mark.parametrize("login", [None, "eve"])
def test_no_byte_tells_of_what_is_hidden(acme: Acme, login: str | None) -> None:
    person, alice = acme.person(login), acme.person("alice")
    seen_by_alice = 0
    for address in addresses(acme):
        theirs, hers = person.get(address), alice.get(address)
        # What one asked for comes back in the answer.
        said = theirs.text.replace(address.removeprefix("api/v2/"), "")
        assert HIDDEN not in said, (address, theirs)
        seen_by_alice += HIDDEN in hers.text
        if theirs.status != hers.status:
            assert (theirs.status, hers.status) == (404, 200), address
    assert seen_by_alice > 50


def test_no_event_tells_of_what_is_hidden(acme: Acme) -> None:
    """Neither the websocket nor the event stream."""
    listeners = {login: Listener(acme.person(login)) for login in (None, "eve", "alice")}
    head = acme.github.push(acme.hidden, {"text": "pushed"})
    acme.instance.wait_for_build(acme.hidden.full_name, head)
    head = acme.github.push(acme.open, {"text": "pushed"})
    acme.instance.wait_for_build(acme.open.full_name, head)
    for listener in listeners.values():
        wait_until("the end of the public build", lambda it=listener: it.heard_of("open"))
    assert listeners["alice"].heard_of(HIDDEN)
    builders = [
        row["builderid"] for row in acme.instance.rest.get("builders") if HIDDEN in row["name"]
    ]
    for login in (None, "eve"):
        text = listeners[login].close()
        assert HIDDEN not in text
        for builder in builders:
            assert f'"builderid":{builder},' not in text
    listeners["alice"].close()


class Listener:
    """Somebody whose browser hears of everything."""

    def __init__(self, person: Person) -> None:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.cookies)
        self._socket = websocket.create_connection(
            f"{person.url.replace('http', 'ws', 1)}ws", cookie=cookies, timeout=60
        )
        self._said: list[str] = []
        paths = ["*/*/*", "*/*/*/*/*", "*/*/*/*/*/*/*"]
        for number, path in enumerate(paths):
            call = {"cmd": "startConsuming", "path": path, "_id": number}
            self._socket.send(json.dumps(call))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while message := self._socket.recv():
                self._said.append(str(message))
        except (OSError, websocket.WebSocketException):
            pass

    def heard_of(self, word: str) -> bool:
        return any(word in message for message in self._said)

    def close(self) -> str:
        """All that was heard."""
        self._socket.close()
        self._thread.join(10)
        return "\n".join(self._said)


def test_members_control_what_is_theirs(acme: Acme) -> None:
    rest = acme.instance.rest
    builds = {row["buildid"]: row for row in rest.get("builds")}
    names = {row["builderid"]: row["name"] for row in rest.get("builders")}
    virtual = next(build for build, row in builds.items() if "#checks" in names[row["builderid"]])
    for login, status in ((None, 403), ("eve", 403), ("alice", 200)):
        reply = acme.person(login).control(f"builds/{virtual}", "rebuild")
        if HIDDEN in names[builds[virtual]["builderid"]] and status == 403:
            status = 404
        assert reply.status == status, (login, reply)
    reply = acme.person("alice").control("workers/1", "pause")
    assert reply.status == 403
