"""What is done with GitHub Apps: registering, installing, making tokens."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from tests.fakes.deliveries import Delivery
from tests.fakes.forge import Forge
from tests.fakes.github.apps import ALWAYS_SENT, PERMISSIONS, App, Installation, new_key
from tests.fakes.github.views import Views
from tests.fakes.model import Account, Hook, Repository, Token
from tests.fakes.stories import locked


class Installations(Forge):
    """The part of GitHub that knows Apps."""

    views: Views

    def __init__(self, **options: Any) -> None:
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        #: Seconds that an installation's token is valid.
        self.token_seconds = 3600.0
        super().__init__(**options)

    @locked
    def create_app(
        self,
        *,
        slug: str = "buildbot-nix",
        owner: str = "alice",
        permissions: dict[str, str] | None = None,
        events: list[str] | None = None,
        hook_url: str = "",
        hook_secret: str = "",
    ) -> App:
        """Registers an App. Without ``hook_url`` it has no webhook of its own."""
        made = App(
            id=self.new_id(),
            slug=slug,
            name=slug,
            owner=self.user(owner),
            created=self.now(),
            permissions=dict(PERMISSIONS if permissions is None else permissions),
            events=list(events or []),
            key=new_key(),
        )
        if hook_url:
            number, now = self.new_id(), self.now()
            made.hook = Hook(number, hook_url, hook_secret, made.events, now, now)
        self.apps[made.id] = made
        return made

    @locked
    def install(
        self, app: App, account: str, repositories: list[Repository] | None = None
    ) -> Installation:
        """Installs an App in an account, for all repositories or for some."""
        chosen = None if repositories is None else {each.id for each in repositories}
        made = Installation(
            id=self.new_id(),
            app=app,
            account=self.account(account) or self.user(account),
            created=self.now(),
            permissions=dict(app.permissions),
            repositories=chosen,
        )
        self.installations[made.id] = made
        seen = self.repositories_of(made)
        self._tell_app(made, "installation", "created", repositories=self._short(seen))
        return made

    @locked
    def choose(
        self,
        installation: Installation,
        *,
        add: list[Repository] | None = None,
        remove: list[Repository] | None = None,
    ) -> None:
        """Changes which repositories an App may see."""
        assert installation.repositories is not None, "all are chosen"
        added, removed = add or [], remove or []
        installation.repositories |= {each.id for each in added}
        installation.repositories -= {each.id for each in removed}
        for action, changed in (("added", added), ("removed", removed)):
            if changed:
                facts = {
                    "repository_selection": "selected",
                    "repositories_added": self._short(added),
                    "repositories_removed": self._short(removed),
                    "requester": None,
                }
                self._tell_app(installation, "installation_repositories", action, **facts)

    @locked
    def suspend(self, installation: Installation, suspended: bool = True) -> None:
        """Suspends an installation, or not any more."""
        installation.suspended = self.now() if suspended else None
        self._tell_app(installation, "installation", "suspend" if suspended else "unsuspend")

    @locked
    def uninstall(self, installation: Installation) -> None:
        """Removes an installation, and its tokens."""
        del self.installations[installation.id]
        for text in [t.text for t in self.tokens.values() if t.installation is installation]:
            del self.tokens[text]
        self._tell_app(installation, "installation", "deleted")

    def repositories_of(self, installation: Installation) -> list[Repository]:
        """What an installation may see."""
        return [each for each in self.repositories.values() if installation.includes(each)]

    def installation_for(self, app: App, repository: Repository) -> Installation | None:
        """Where an App may see a repository."""
        for each in self.installations.values():
            if each.app is app and each.includes(repository):
                return each
        return None

    @locked
    def mint(
        self,
        installation: Installation,
        repositories: list[Repository] | None,
        permissions: dict[str, str],
    ) -> Token:
        """A token of an installation."""
        seconds = timedelta(seconds=self.token_seconds)
        ids = None if repositories is None else frozenset(each.id for each in repositories)
        made = Token(
            text=f"ghs_{secrets.token_hex(18)}",
            account=None,
            permissions=permissions,
            repositories=ids,
            installation=installation,
            expires=self.now() + seconds,
        )
        self.tokens[made.text] = made
        return made

    @locked
    def expire_tokens(self) -> None:
        """All tokens of installations end now, whatever was said of them."""
        self.tokens = {k: t for k, t in self.tokens.items() if t.installation is None}

    def bot(self, app: App) -> Account:
        """Who acts for an App."""
        return self.user(f"{app.slug}[bot]")

    def author_of(self, token: Token) -> Account:
        """Who acts with a token."""
        return token.account or self.bot(token.installation.app)

    def _tell_app(self, installation: Installation, name: str, action: str, **more: Any) -> None:
        hook = installation.app.hook
        if hook is None:
            return
        assert name in ALWAYS_SENT
        payload = {
            "action": action,
            "installation": self.views.installation(installation),
            "sender": self.views.account(installation.account),
            **more,
        }
        self.send(Delivery(hook, name, payload))

    def _short(self, repositories: list[Repository]) -> list[dict[str, Any]]:
        names = ("id", "node_id", "name", "full_name", "private")
        shown = (self.views.repository(each) for each in repositories)
        return [{name: each[name] for name in names} for each in shown]
