"""Our own tables in Buildbot's database.

One module a table: its columns, its rows, and what can be asked of it, all through :class:`State`.
A table is made and changed by a script in ``migrations/versions``, and kept small by a rule in
``janitor.py``.
"""

from __future__ import annotations

from buildbot_nix.state.database import State
from buildbot_nix.state.failures import Failure, Failures
from buildbot_nix.state.janitor import Janitor
from buildbot_nix.state.job_sets import JobSet, JobSets

__all__ = ["Failure", "Failures", "Janitor", "JobSet", "JobSets", "State"]
