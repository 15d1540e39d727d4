"""Logging in with a GitHub App, Gitea and an OpenID Connect provider on one page, in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.e2e.test_browser import Page
from tests.e2e.test_login import sign_in
from tests.e2e.world import ORGANIZATION, TOPIC, World
from tests.fakes.forge import Forge
from tests.fakes.model import Repository
from tests.fakes.oidc import IdentityProvider
from tests.person import Person
from tests.repository import flake
from tests.rest import Build, Rest
from tests.waiting import wait_until

TEAM = f"{ORGANIZATION}/ci"
#: At the OpenID Connect provider.
PEOPLE = {"root": {"name": "Ada Admin"}}


class Providers(World):
    """A master that one logs in to with three providers. On Gitea, members are those of a team."""

    def __init__(self) -> None:
        super().__init__("providers")
        callback = f"{self.instance.url}auth/login"
        self.oidc = IdentityProvider(callback, PEOPLE)
        settings = self.instance.settings
        for forge in self.forges.values():
            app = self.app if forge is self.github else None
            client = forge.oauth.register(callback, app)
            settings[forge.name] |= {
                "oauth_id": client.id,
                "oauth_secret_file": str(self.write_secret(f"{forge.name}-oauth", client.secret)),
            }
            forge.team(ORGANIZATION, "ci", ["bob"])
        boss = self.github.user("boss")
        settings |= {
            "allow_unauthenticated_control": False,
            "auth_backend": ["github", "gitea", "oidc"],
            "admins": ["oidc:root", f"github:#{boss.id}"],
            "members_by": [TEAM],
            "oidc": {
                "name": "Company",
                "discovery_url": self.oidc.discovery_url,
                "client_id": self.oidc.client_id,
                "client_secret_file": str(self.write_secret("oidc", self.oidc.client_secret)),
            },
        }

    def repository(self, forge: Forge, name: str) -> Repository:
        """One with an attribute that fails."""
        files = flake(f'broken = drv "{name}" "false" {{}};')
        return forge.create_repository(f"{ORGANIZATION}/{name}", files, topics=[TOPIC])

    def person(self, forge: Forge, login: str) -> Person:
        """Somebody who has logged in with a forge."""
        person = Person(self.instance.url)
        forge.oauth.person = forge.user(login)
        reply = person.get(f"auth/login?provider={forge.name}&redirect=/")
        assert reply.status == 200, reply.text
        assert person.who()["login"] == login
        return person

    def stop(self) -> None:
        self.oidc.close()
        super().stop()


@pytest.fixture(scope="module")
def world() -> Iterator[Providers]:
    """On each forge, a repository of the organisation has been built."""
    made = Providers()
    try:
        repositories = [
            made.repository(forge, f"{forge.name}-app") for forge in made.forges.values()
        ]
        made.instance.start()
        made.instance.start_worker()
        for repository in repositories:
            builder = f"{repository.full_name}/nix-eval"
            wait_until(builder, lambda it=builder: made.instance.rest.get("builders", name=it))
            head = repository.branch("main")
            assert head is not None
            made.instance.wait_for_build(repository.full_name, head)
        yield made
    finally:
        made.stop()


@pytest.fixture
def page(browser: webdriver.Chrome, world: Providers) -> Page:
    """The browser, in which nobody is logged in."""
    page = Page(browser, world.instance)
    page.open("auth/logout")
    browser.delete_all_cookies()
    return page


def attribute_of(world: Providers, forge: Forge) -> Build:
    """The build of the attribute of the forge's repository."""
    project = f"{ORGANIZATION}/{forge.name}-app"
    rows = world.instance.evaluations(project)
    return world.instance.children(world.instance.build(rows[0]["buildid"]))["broken"]


def builds_of(world: Providers, builder: int) -> set[int]:
    """The builds that the builder has had."""
    return {row["buildid"] for row in world.instance.rest.get(f"builders/{builder}/builds")}


def next_build(world: Providers, builder: int, before: set[int]) -> int:
    """The first build there that was not there before."""
    return min(wait_until("another build", lambda: builds_of(world, builder) - before))


def owners(rest: Rest, build: int) -> object:
    """Whose Buildbot says that a build is."""
    return rest.get(f"builds/{build}/properties")[0]["owner"]


def choose(page: Page, provider: str, path: str) -> None:
    """Logs in with the provider of that name, to see a page."""
    page.open(f"auth/login?redirect={path}")
    page.wait_for("Log in with GitHub", "Log in with Gitea", "Log in with Company")
    page.keep("log-in")
    page.click(f"Log in with {provider}", tag="a")


def me(page: Page) -> str:
    """The name and mail address in the menu with one's picture, which can be seen."""
    picture = "img.avatar"
    wait_until("a picture", lambda: page.browser.find_elements(By.CSS_SELECTOR, picture))
    image = page.browser.find_element(By.CSS_SELECTOR, picture)
    wait_until(
        "the picture",
        lambda: page.browser.execute_script("return arguments[0].naturalWidth", image),
    )
    image.click()
    menu = page.browser.find_element(By.CSS_SELECTOR, ".dropdown-menu.show, .dropdown.show")
    text: str = menu.text
    image.click()
    return text


def test_who_one_is_at_each(world: Providers) -> None:
    """The number is the provider's; of teams, those that count."""
    for forge in world.forges.values():
        bob = world.person(forge, "bob").who()
        assert bob == {
            "username": f"{forge.name}:bob",
            "login": "bob",
            "id": str(forge.user("bob").id),
            "provider": forge.name,
            "full_name": "Bob",
            "email": "bob@example.org",
            "memberships": [ORGANIZATION, TEAM],
        }
    root = Person(world.instance.url)
    root.log_in("root")
    assert root.who()["username"] == "oidc:root"


def test_a_team_counts_on_its_own_forge(world: Providers) -> None:
    github, gitea = world.github, world.gitea
    mine, other = attribute_of(world, gitea), attribute_of(world, github)
    bob = world.person(gitea, "bob")
    reply = bob.control(f"builds/{other.id}", "rebuild")
    assert (reply.status, "only members of acme/ci and admins" in reply.text) == (403, True)
    # In the organisation, and not in the team.
    assert world.person(gitea, "alice").control(f"builds/{mine.id}", "stop").status == 403
    assert bob.control(f"builds/{mine.id}", "stop").status == 200


def test_who_is_renamed_keeps_their_rights(world: Providers) -> None:
    """And who takes the name gets none of them."""
    assert world.person(world.github, "boss").control("workers/1", "unpause").status == 200
    world.github.rename_user("boss", "chief")
    assert world.person(world.github, "chief").control("workers/1", "unpause").status == 200
    assert world.person(world.github, "boss").control("workers/1", "unpause").status == 403


def test_a_member_builds_again(world: Providers, page: Page) -> None:
    build = attribute_of(world, world.gitea)
    world.gitea.oauth.person = world.gitea.user("bob")
    choose(page, "Gitea", build.path.removeprefix("#"))
    page.wait_for("Build flake attr", "Rebuild")
    assert "Bob" in me(page)
    page.keep("member")
    before = builds_of(world, build.builder_id)
    page.click("Rebuild")
    again = next_build(world, build.builder_id, before)
    page.click("Build Properties")
    page.wait_for("owner", "gitea:bob")
    page.keep("rebuilt")
    assert owners(world.instance.rest, again) == ["gitea:bob", "rebuild"]


def test_a_stranger_is_told_why_not(world: Providers, page: Page) -> None:
    build = attribute_of(world, world.github)
    world.github.oauth.person = world.github.user("eve")
    choose(page, "GitHub", build.path.removeprefix("#"))
    page.wait_for("Build flake attr", "Rebuild")
    page.click("Rebuild")
    page.wait_for(f"only members of {TEAM} and admins may do this")
    page.keep("stranger")


def test_an_admin_looks_for_projects(world: Providers, page: Page) -> None:
    builder = world.instance.builder_id("reload-gitea-projects")
    choose(page, "Company", f"/builders/{builder}")
    sign_in(page.browser, "root")
    page.wait_for("Update projects")
    assert "Ada Admin" in me(page)
    page.click("Update projects")
    page.wait_for("Start build")
    page.keep("form")
    before = builds_of(world, builder)
    page.click("Start build", tag="button")
    build = next_build(world, builder, before)
    page.open(f"#/builders/{builder}/builds/{len(before) + 1}")
    page.wait_for("reload projects", "Finished")
    page.click("Build Properties")
    page.wait_for("owner", "oidc:root")
    page.keep("admin")
    assert world.instance.build(build).result == "success"
    assert owners(world.instance.rest, build) == ["oidc:root", "Force Build Form"]
    page.browser.find_element(By.CSS_SELECTOR, "img.avatar").click()
    page.click("Logout")
    page.wait_for("Anonymous")
