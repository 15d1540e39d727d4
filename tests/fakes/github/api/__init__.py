"""GitHub's REST API, as far as continuous integration needs it: version 2022-11-28."""

from tests.fakes.github.api import accounts, apps, hooks, reports, repositories
from tests.fakes.github.api.common import ROUTES

__all__ = ["ROUTES", "accounts", "apps", "hooks", "reports", "repositories"]
