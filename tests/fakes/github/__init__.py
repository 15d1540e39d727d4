"""A double of GitHub."""

from tests.fakes.github.forge import GitHub

__all__ = ["GitHub"]
