"""Our own tables in Buildbot's database.

One module a table: its columns, its rows, and what can be asked of it, all through :class:`State`.
A table is made and changed by a script in ``migrations/versions``, and kept small by a rule in
``janitor.py``.
"""

from __future__ import annotations

from buildbot_nix.state.buildbot_rows import forget_connections
from buildbot_nix.state.database import State
from buildbot_nix.state.deliveries import DeliveryTable, StoredDelivery
from buildbot_nix.state.failures import Failure, Failures
from buildbot_nix.state.forge_memory import ForgeMemory
from buildbot_nix.state.heads import KnownHead, KnownHeads
from buildbot_nix.state.janitor import Janitor
from buildbot_nix.state.job_sets import JobSet, JobSets
from buildbot_nix.state.repositories import Repositories, known_repositories

__all__ = [
    "DeliveryTable",
    "Failure",
    "Failures",
    "ForgeMemory",
    "Janitor",
    "JobSet",
    "JobSets",
    "KnownHead",
    "KnownHeads",
    "Repositories",
    "State",
    "StoredDelivery",
    "forget_connections",
    "known_repositories",
]
