"""Which branches there are, as far as somebody has looked."""

from __future__ import annotations

from collections.abc import Iterable

from buildbot.master import BuildMaster

#: Where a master keeps it.
ATTRIBUTE = "nix_heads"


class Heads:
    """Those of a master's projects. Not kept: pollers look again when the master starts."""

    def __init__(self) -> None:
        self._branches: dict[str, frozenset[str]] = {}

    @classmethod
    def find(cls, master: BuildMaster) -> Heads:
        """Those of ``master``."""
        heads = getattr(master, ATTRIBUTE, None)
        if heads is None:
            heads = cls()
            setattr(master, ATTRIBUTE, heads)
        assert isinstance(heads, Heads)
        return heads

    def are(self, project: str, branches: Iterable[str]) -> None:
        """All branches of ``project``, of those that are built."""
        self._branches[project] = frozenset(branches)

    def known(self) -> dict[str, list[str]]:
        """Branches by project."""
        return {project: sorted(branches) for project, branches in self._branches.items()}
