"""How GitHub shows what it knows, in answers and in webhooks. The official document checks it."""

from tests.fakes.github.views.reports import ReportViews
from tests.fakes.github.views.repositories import RepositoryViews


class Views(RepositoryViews, ReportViews):
    """All of them."""


__all__ = ["Views"]
