"""Builds of attributes, kept in Buildbot's tables without being scheduled by Buildbot.

See "Attributes are built by the evaluation" in docs/architecture.md.
"""

from __future__ import annotations

from buildbot_nix.records.record import HTML, STREAM, Ids, Origin, Property, Rebuild, Record
from buildbot_nix.records.service import Records

__all__ = ["HTML", "STREAM", "Ids", "Origin", "Property", "Rebuild", "Record", "Records"]
