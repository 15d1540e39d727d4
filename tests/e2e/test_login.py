"""Logging in with an OpenID Connect provider, and what one may do then."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.e2e.test_browser import Page
from tests.fakes.oidc import IdentityProvider
from tests.instance import Instance
from tests.person import Person
from tests.repository import flake
from tests.waiting import wait_until

SESSION = "TWISTED_SESSION"
PEOPLE = {
    "alice": {"name": "Alice Admin", "email": "alice@example.org"},
    "mallory": {"name": "<script>", "groups": ["admin", "admins", "alice"]},
}


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[Instance, IdentityProvider]]:
    """A master that people log in to; alice is its admin. The provider is down when it starts."""
    with Instance("login") as instance:
        provider = IdentityProvider(f"{instance.url}auth/login", PEOPLE)
        try:
            secret = instance.folder / "oidc-secret"
            secret.write_text(provider.client_secret)
            instance.settings.update(
                allow_unauthenticated_control=False,
                auth_backend="oidc",
                admins=["alice"],
                oidc={
                    "name": "Company",
                    "discovery_url": provider.discovery_url,
                    "client_id": provider.client_id,
                    "client_secret_file": str(secret),
                    "scope": ["openid", "email", "profile", "groups"],
                    "mapping": {"groups": "groups"},
                },
            )
            provider.stop()
            instance.start()
            instance.start_worker()
            reply = Person(instance.url).get("auth/login")
            assert reply.status == 502
            assert "could not be asked for its description" in reply.text
            provider.start()
            instance.repository("guarded", flake('one = ok "one";'))
            yield instance, provider
        finally:
            provider.close()


@pytest.fixture
def url(guarded: tuple[Instance, IdentityProvider]) -> str:
    """Where the master is."""
    return guarded[0].url


def logged_in(url: str, login: str) -> Person:
    """Somebody who has logged in."""
    person = Person(url)
    reply = person.log_in(login)
    assert reply.status == 200, reply.text
    assert person.who()["login"] == login
    return person


def test_admins_may(guarded: tuple[Instance, IdentityProvider]) -> None:
    instance, _ = guarded
    alice = logged_in(instance.url, "alice")
    who = alice.who()
    assert who["full_name"] == "Alice Admin"
    assert who["email"] == "alice@example.org"
    builder = instance.builder_id("guarded/nix-eval")
    reply = alice.control("forceschedulers/guarded-force", "force", builderid=builder)
    assert reply.status == 200, reply.text
    log = instance.twistd_log.read_text()
    assert "oidc:alice did force on forceschedulers/guarded-force" in log


@pytest.mark.parametrize(
    ("login", "reason"),
    [(None, "log in to do this"), ("mallory", "only admins of this instance may do this")],
)
def test_others_may_not(
    guarded: tuple[Instance, IdentityProvider], login: str | None, reason: str
) -> None:
    """Mallory's groups have the names of roles and of an admin."""
    instance, _ = guarded
    person = logged_in(instance.url, login) if login else Person(instance.url)
    for path, method in (
        ("forceschedulers/guarded-force", "force"),
        ("workers/1", "pause"),
        ("schedulers/1", "enable"),
    ):
        reply = person.control(path, method)
        assert reply.status == 403, (path, reply)
        assert reason in reply.text
    # Looking is free.
    assert person.get("api/v2/builders").status == 200


def test_names_cannot_end_the_script_of_the_page(url: str) -> None:
    mallory = logged_in(url, "mallory")
    assert mallory.who()["full_name"] == "script>"


def test_the_cookie_is_for_the_browser_alone(url: str) -> None:
    alice = logged_in(url, "alice")
    cookie = alice.cookie(SESSION)
    assert cookie is not None
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert str(cookie.get_nonstandard_attr("SameSite")).lower() == "lax"
    # And what it holds is not told to scripts.
    assert cookie.value and cookie.value not in alice.get("config").text
    assert "nix_session" not in alice.get("").text


def test_logging_out_ends_the_session_everywhere(url: str) -> None:
    alice = logged_in(url, "alice")
    copy = Person(url)
    cookie = alice.cookie(SESSION)
    assert cookie is not None
    copy.cookies.set_cookie(cookie)
    assert copy.who()["login"] == "alice"
    alice.get("auth/logout")
    assert alice.who() == {"anonymous": True}
    assert copy.who() == {"anonymous": True}


def test_sessions_outlive_a_restart(guarded: tuple[Instance, IdentityProvider]) -> None:
    instance, _ = guarded
    alice = logged_in(instance.url, "alice")
    assert instance.master is not None
    instance.master.stop()
    instance.start()
    assert alice.who()["login"] == "alice"


def begin(person: Person, redirect: str = "/") -> dict[str, str]:
    """Goes to the provider, and comes back with what it asks to be brought back."""
    query = urllib.parse.urlencode({"redirect": redirect})
    reply = person.get(f"auth/login?{query}", follow=False)
    assert reply.status == 302
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(reply.url).query))


def come_back(person: Person, **parameters: str) -> str:
    """What the page says."""
    reply = person.get(f"auth/login?{urllib.parse.urlencode(parameters)}", follow=False)
    assert reply.status == 403, reply
    said = re.search(r"role='alert'>([^<]*)<", reply.text)
    assert said
    return said[1]


def test_forged_answers_do_not_count(url: str) -> None:
    person, other = Person(url), Person(url)
    begun = begin(person)
    not_begun = "was not begun in this browser"
    assert not_begun in come_back(person, state="forged", code="x")
    # The link of an attacker in the browser of somebody else.
    assert not_begun in come_back(other, state=begun["state"], code="x")
    # Codes are the provider's to give.
    said = come_back(person, state=begun["state"], code="forged")
    assert said == "oidc refused: grant request is invalid"
    # Once only.
    assert not_begun in come_back(person, state=begun["state"], code="x")
    begun = begin(person)
    said = come_back(person, state=begun["state"], error="access_denied")
    assert said == "oidc refused: access_denied"


def test_one_stays_on_this_site(url: str) -> None:
    for wanted, there in (
        ("/builders/1", "#/builders/1"),
        ("//evil.example/", "#//evil.example/"),
        ("https://evil.example/", "#/"),
    ):
        reply = logged_out_and_in(url, wanted)
        assert reply.startswith(url), reply
        assert reply == f"{url}{there}"


def logged_out_and_in(url: str, redirect: str) -> str:
    """Where one is after logging in."""
    person = Person(url)
    return person.log_in("alice", redirect).url


def test_another_site_presses_no_buttons(guarded: tuple[Instance, IdentityProvider]) -> None:
    instance, _ = guarded
    alice = logged_in(instance.url, "alice")
    path = "forceschedulers/guarded-force"
    reply = alice.control(path, "force", origin="https://evil.example")
    assert reply.status == 400
    assert "invalid origin" in reply.text
    # A form of another site can send no JSON.
    reply = alice.post(f"api/v2/{path}", {"method": "force"})
    assert reply.status == 400


def test_in_a_browser(
    guarded: tuple[Instance, IdentityProvider], browser: webdriver.Chrome
) -> None:
    """From the button to one's own name, a refusal that one can read, and out again."""
    instance, _ = guarded
    page = Page(browser, instance)
    page.open("")
    page.click("Anonymous")
    page.keep("anonymous")
    page.click("Login with")
    sign_in(browser, "mallory")
    page.wait_for("Home")
    page.open("#/workers")
    page.wait_for("worker-000")
    page.keep("mallory")
    page.open("auth/logout")
    page.wait_for("Anonymous")
    # The provider would still know mallory.
    browser.delete_all_cookies()
    page.open("auth/login?redirect=/builders")
    sign_in(browser, "alice")
    page.wait_for("guarded/nix-eval")
    assert "Anonymous" not in page.text()
    page.keep("alice")
    page.open("auth/login?state=forged&code=x")
    page.wait_for("was not begun in this browser", "Log in with Company")
    page.keep("refused")


def sign_in(browser: webdriver.Chrome, login: str) -> None:
    """Fills in the provider's page, and agrees to what it asks."""
    for prompt in ("login", "consent"):
        question = f"input[name=prompt][value={prompt}]"
        wait_until(question, lambda it=question: browser.find_elements(By.CSS_SELECTOR, it))
        for name, text in (("login", login), ("password", "any")):
            for field in browser.find_elements(By.NAME, name):
                field.send_keys(text)
        browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
