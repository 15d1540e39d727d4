"""Members and strangers of a forge's organisation: each sees and does what is theirs."""

from __future__ import annotations

import http.client
import inspect
import json
import re
import socket
import threading
from collections.abc import Iterator
from importlib import import_module
from urllib.parse import quote, unquote, urlsplit

import pytest
import websocket
from buildbot.data.base import ResourceType
from buildbot.data.connector import DataConnector

from buildbot_nix.auth.authz import AUTHOR_PROPERTY
from tests.fakes.github import GitHub
from tests.fakes.model import Repository
from tests.instance import Instance
from tests.person import Person
from tests.repository import flake
from tests.rest import Rest
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
        github.user("mallory")
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
            assert person.who()["login"] == login
        return person


@pytest.fixture(scope="module")
def acme() -> Iterator[Acme]:
    """Both repositories have been built."""
    with Instance("rights") as instance, GitHub(compared=False) as github:
        made = Acme(instance, github)
        instance.start()
        instance.start_worker()
        root = made.person("root")
        instance.rest.headers = {"Cookie": cookies(root)}
        for repository in (made.open, made.hidden):
            builder = f"{repository.full_name}/nix-eval"
            wait_until(builder, lambda it=builder: instance.rest.get("builders", name=it))
            head = repository.branch("main")
            assert head is not None
            instance.wait_for_build(repository.full_name, head)
        yield made


#: Arguments of addresses that nothing here has: pollers, codebases and results of tests.
UNUSED = {
    "branchid",
    "changesourceid",
    "codebaseid",
    "codebasename",
    "commitid",
    "commitid1",
    "commitid2",
    "revision",
    "test_result_setid",
}
#: What Buildbot 4.3.0 says to everybody who asks for a change's list of properties.
BROKEN = "has no attribute 'getChangeProperties'"
ARGUMENT = re.compile(r"[nisb]?:(\w+)")


def patterns() -> Iterator[str]:
    """Every address of Buildbot's interface, as `/builds/n:buildid`."""
    for module in DataConnector.submodules:
        for kind in vars(import_module(module)).values():
            if inspect.isclass(kind) and issubclass(kind, ResourceType):
                for endpoint in kind.endpoints:
                    found = endpoint.pathPatterns
                    yield from found.split() if isinstance(found, str) else found


def things(rest: Rest) -> Iterator[dict[str, object]]:
    """The numbers and names of all that belongs to the hidden repository, and of what is around."""
    yield {}
    hidden = {row["builderid"]: row for row in rest.get("builders") if HIDDEN in row["name"]}
    for row in rest.get("projects"):
        yield {"projectid": row["projectid"], "projectname": row["name"]}
    for row in rest.get("schedulers"):
        yield {"schedulerid": row["schedulerid"], "masterid": row["master"]["masterid"]}
    for row in rest.get("forceschedulers"):
        yield {"schedulername": row["name"]}
    for row in rest.get("changes"):
        yield {"changeid": row["changeid"]}
    for row in rest.get("buildsets"):
        yield {"bsid": row["bsid"], "buildsetid": row["bsid"]}
        yield from ({"ssid": stamp["ssid"]} for stamp in row["sourcestamps"])
    for row in rest.get("builds"):
        if row["builderid"] not in hidden:
            continue
        build = {
            "buildid": row["buildid"],
            "build_number": row["number"],
            "buildrequestid": row["buildrequestid"],
            "builderid": row["builderid"],
            "buildername": hidden[row["builderid"]]["name"],
            "workerid": row["workerid"],
            "masterid": row["masterid"],
            "name": "worker-000",
        }
        yield build
        for step in rest.get(f"builds/{row['buildid']}/steps"):
            names = {"stepid": step["stepid"], "step_number": step["number"]}
            for log in rest.get(f"steps/{step['stepid']}/logs"):
                named = {"step_name": step["name"], "logid": log["logid"], "log_slug": log["slug"]}
                yield {**build, **names, **named}


def addresses(acme: Acme) -> list[str]:
    """Every address, for everything that the admin knows."""
    known = list(things(acme.instance.rest))
    found = dict.fromkeys(["", "config", "api/v2", "api/v2/builds?property=*"])
    for pattern in patterns():
        names = set(ARGUMENT.findall(pattern))
        fitting = [thing for thing in known if names <= thing.keys()]
        assert fitting or names & UNUSED, f"nothing to ask for with {pattern}"
        for thing in fitting:
            path = ARGUMENT.sub(lambda name, it=thing: quote(str(it[name[1]]), safe=""), pattern)
            found[f"api/v2{path}"] = None
            if not names:
                found[f"api/v2{path}?limit=3"] = None
    found |= {f"api/v2/logchunks?logid={it['logid']}": None for it in known if "logid" in it}
    return list(found)


@pytest.mark.parametrize("login", [None, "eve"])
def test_no_byte_tells_of_what_is_hidden(acme: Acme, login: str | None) -> None:
    person, alice = acme.person(login), acme.person("alice")
    seen_by_alice = 0
    for address in addresses(acme):
        theirs, hers = person.get(address), alice.get(address)
        # What one asked for comes back in the answer.
        said = theirs.text.replace(unquote(address).removeprefix("api/v2/"), "")
        assert HIDDEN not in unquote(said), (address, theirs)
        seen_by_alice += HIDDEN in hers.text
        if theirs.status != hers.status:
            assert theirs.status == 404, (address, theirs)
            assert hers.status == 200 or BROKEN in hers.text, (address, hers)
    assert seen_by_alice > 50


def test_no_event_tells_of_what_is_hidden(acme: Acme) -> None:
    """Neither the websocket nor the event stream."""
    people: list[str | None] = [None, "eve", "alice"]
    listeners = {login: Listener(acme.person(login)) for login in people}
    streams = {login: Stream(acme.person(login)) for login in people}
    head = acme.github.push(acme.hidden, {"text": "pushed"})
    acme.instance.wait_for_build(acme.hidden.full_name, head)
    head = acme.github.push(acme.open, {"text": "pushed"})
    acme.instance.wait_for_build(acme.open.full_name, head)
    for listener in (*listeners.values(), *streams.values()):
        wait_until("the public build", lambda it=listener: it.heard_of("open"))
    assert listeners["alice"].heard_of(HIDDEN)
    assert streams["alice"].heard_of(HIDDEN)
    builders = [
        row["builderid"] for row in acme.instance.rest.get("builders") if HIDDEN in row["name"]
    ]
    for login in people:
        text = listeners[login].close() + streams[login].close()
        if login != "alice":
            assert HIDDEN not in text
            for builder in builders:
                assert not re.search(rf'"builderid": ?{builder}\b', text)


class Hearer:
    """Somebody who is told of everything."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        raise NotImplementedError

    def _hang_up(self) -> None:
        raise NotImplementedError

    def heard_of(self, word: str) -> bool:
        return any(word in message for message in self._said)

    def close(self) -> str:
        """All that was heard."""
        self._hang_up()
        self._thread.join(10)
        return "\n".join(self._said)


class Stream(Hearer):
    """By the event stream."""

    def __init__(self, person: Person) -> None:
        url = urlsplit(person.url)
        connection = http.client.HTTPConnection(url.netloc, timeout=60)
        connection.request("GET", "/sse/listen/*/*/*", headers={"Cookie": cookies(person)})
        assert connection.sock is not None
        # The answer takes the connection over, and cannot be ended by another thread.
        self._socket: socket.socket = connection.sock
        self._answer = connection.getresponse()
        super().__init__()

    def _listen(self) -> None:
        try:
            while line := self._answer.readline():
                self._said.append(line.decode())
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self._answer.close()
            self._socket.close()

    def _hang_up(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)


def cookies(person: Person) -> str:
    """What a browser would send."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.cookies)


class Listener(Hearer):
    """By the websocket, as browsers are."""

    def __init__(self, person: Person) -> None:
        self._socket = websocket.create_connection(
            f"{person.url.replace('http', 'ws', 1)}ws", cookie=cookies(person), timeout=60
        )
        paths = ["*/*/*", "*/*/*/*/*", "*/*/*/*/*/*/*"]
        for number, path in enumerate(paths):
            call = {"cmd": "startConsuming", "path": path, "_id": number}
            self._socket.send(json.dumps(call))
        super().__init__()

    def _listen(self) -> None:
        try:
            while message := self._socket.recv():
                self._said.append(str(message))
        except (OSError, websocket.WebSocketException):
            pass

    def _hang_up(self) -> None:
        self._socket.close()


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


def test_authors_restart_what_they_proposed(acme: Acme) -> None:
    main = acme.open.branch("main")
    assert main is not None
    pushed = acme.instance.find_evaluation(acme.open.full_name, main)
    assert pushed is not None
    acme.github.open_pull_request(acme.open, {"text": "proposed"}, by="eve", fork=True)

    def of_eve() -> int | None:
        rows = acme.instance.rest.get("builds", property=AUTHOR_PROPERTY, order="buildid")
        authors = {row["buildid"]: row["properties"].get(AUTHOR_PROPERTY) for row in rows}
        return next((build for build, author in authors.items() if author), None)

    build = wait_until("the run of eve's pull request", of_eve)
    acme.instance.wait_for_end(build)
    eve = acme.person("eve")
    for asked, method, status in (
        (build, "rebuild", 200),
        (build, "stop", 403),
        (pushed["buildid"], "rebuild", 403),
    ):
        assert eve.control(f"builds/{asked}", method).status == status, (asked, method)
    assert acme.person("mallory").control(f"builds/{build}", "rebuild").status == 403
