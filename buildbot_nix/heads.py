"""Which branches there are, as far as somebody has looked."""

from __future__ import annotations

from collections.abc import Iterable

from buildbot.master import BuildMaster

#: Where a master keeps it.
ATTRIBUTE = "nix_heads"


class Heads:
    """Those of a master's projects. Not kept: pollers look again when the master starts."""

    def __init__(self) -> None:
        #: All branches, of those that are built, where somebody has looked; by project.
        self.known: dict[str, set[str]] = {}
        #: Some that are gone, where nobody has.
        self.gone: dict[str, set[str]] = {}

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
        """All branches of ``project`` that are built."""
        self.known[project] = set(branches)

    def is_there(self, project: str, branch: str) -> None:
        """Somebody has just pushed to ``branch``."""
        self.gone.get(project, set()).discard(branch)

    def is_gone(self, project: str, branch: str) -> None:
        """Somebody has deleted ``branch``."""
        self.gone.setdefault(project, set()).add(branch)
        self.known.get(project, set()).discard(branch)
