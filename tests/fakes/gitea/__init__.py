"""A double of Gitea and Forgejo."""

from tests.fakes.gitea.forge import Gitea

__all__ = ["Gitea"]
