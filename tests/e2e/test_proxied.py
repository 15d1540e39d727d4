"""A master that is reached through a proxy only: whoever comes another way gets nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.instance import Instance
from tests.person import Person
from tests.repository import flake
from tests.rest import Rest

PASSWORD = "of:the proxy"
PROJECT = "hushed/project"


class ProxiedRest(Rest):
    """What a test sees, it sees through the proxy."""

    headers = {"Authorization": f"Basic {base64.b64encode(f'root:{PASSWORD}'.encode()).decode()}"}


@pytest.fixture(scope="module")
def proxied() -> Iterator[Instance]:
    """A master behind a proxy; root is its admin."""
    with Instance("proxied") as instance:
        instance.rest = ProxiedRest(instance.url)
        password = instance.folder / "proxy-password"
        password.write_text(PASSWORD)
        instance.settings.update(
            allow_unauthenticated_control=False,
            auth_backend="httpbasicauth",
            http_basic_auth_password_file=str(password),
            admins=["root"],
        )
        instance.start()
        instance.start_worker()
        repository = instance.repository(PROJECT, flake('one = ok "one";'))
        instance.wait_for_build(PROJECT, repository.head())
        yield instance


def authorization(user: str, password: str = PASSWORD) -> str:
    """The header with which oauth2-proxy passes a request on."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


PATHS = (
    "",
    "config",
    "api/v2",
    "api/v2/builders",
    "api/v2/builds/1",
    "api/v2/builds/1/properties",
    "api/v2/logs/1/raw",
    "sse/listen/builds/*/*",
    "ws",
    "avatar?username=root",
    "auth/login",
    "assets",
    "of/the/future",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !",
        "Bearer of:the proxy",
        authorization("root", "wrong"),
        authorization("", PASSWORD),
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Basic " + base64.b64encode(b"\xff:x").decode(),
    ],
)
def test_nothing_without_the_password(proxied: Instance, path: str, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    reply = Person(proxied.url).get(path, **headers)
    assert reply.status == 403, reply
    assert "hushed" not in reply.text


def test_nothing_is_pressed_either(proxied: Instance) -> None:
    reply = Person(proxied.url).control("builds/1", "rebuild")
    assert reply.status == 403


def test_forges_come_through(proxied: Instance) -> None:
    """What they send is signed; here there is no forge, so that nothing is at the address."""
    reply = Person(proxied.url).post("change_hook/github", {"x": "y"})
    assert "through its proxy" not in reply.text


def test_the_proxy_says_who_it_is(proxied: Instance) -> None:
    """Also to programs, which never open a page."""
    person = Person(proxied.url)
    answer = person.get("config", Authorization=authorization("eve"))
    assert json.loads(answer.text)["user"]["username"] == "proxy:eve"
    answer = person.get("api/v2/builders", Authorization=authorization("eve"))
    assert PROJECT in answer.text


def test_admins_are_those_of_the_list(proxied: Instance) -> None:
    proxied.rest.control("workers/1", "pause")
    proxied.rest.control("workers/1", "unpause")
    log = proxied.twistd_log.read_text()
    assert "proxy:root did pause on workers/1" in log
    assert PASSWORD not in log
