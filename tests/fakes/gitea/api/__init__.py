"""Gitea's and Forgejo's REST API, as far as continuous integration needs it."""

from tests.fakes.gitea.api import accounts, hooks, reports, repositories
from tests.fakes.gitea.api.common import ROUTES

__all__ = ["ROUTES", "accounts", "hooks", "reports", "repositories"]
