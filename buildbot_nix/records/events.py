"""What Buildbot tells its web pages and reporters about builds, for those of the records.

The messages are those of ``buildbot.data`` (``_db2data`` of builds, steps and logs), made of what
is known here instead of being read from the database again for every event.
"""

from __future__ import annotations

from typing import Any

from buildbot.master import BuildMaster
from buildbot.util import epoch2datetime

from buildbot_nix.records.record import Ids, Record


def begun(master: BuildMaster, record: Record, ids: Ids) -> None:
    """The build is in the database, and so are its step and log: who looks at it finds them."""
    produce(master, "build", build_message(record, ids), "new")


def appended(master: BuildMaster, record: Record, ids: Ids) -> None:
    """The log has more lines."""
    produce(master, "log", log_message(record, ids), "append")


def finished(master: BuildMaster, record: Record, ids: Ids) -> None:
    """The build has ended."""
    produce(master, "log", log_message(record, ids), "finished")
    if not record.step_ended:
        produce(master, "step", step_message(record, ids), "finished")
    produce(master, "build", build_message(record, ids), "finished")


def produce(master: BuildMaster, kind: str, message: dict[str, Any], event: str) -> None:
    master.data.getResourceType(kind).produceEvent(message, event)


def build_message(record: Record, ids: Ids) -> dict[str, Any]:
    return {
        "buildid": ids.build,
        "number": ids.number,
        "builderid": ids.builder,
        "buildrequestid": ids.request,
        "workerid": record.worker,
        "masterid": record.origin.master,
        "locks_duration_s": 0,
        "properties": {},
        **times(record),
    }


def step_message(record: Record, ids: Ids) -> dict[str, Any]:
    return {
        "stepid": ids.step,
        "number": 0,
        "name": record.step_name,
        "buildid": ids.build,
        "locks_acquired_at": epoch2datetime(record.started_at),
        "urls": [],
        "hidden": False,
        **times(record),
    }


def log_message(record: Record, ids: Ids) -> dict[str, Any]:
    return {
        "logid": ids.log,
        "name": record.log_name,
        "slug": record.log_name,
        "stepid": ids.step,
        "complete": record.end is not None,
        "num_lines": record.lines,
        "type": record.log_type,
    }


def times(record: Record) -> dict[str, Any]:
    end = record.end
    return {
        "started_at": epoch2datetime(record.started_at),
        "complete_at": epoch2datetime(end.at) if end else None,
        "complete": end is not None,
        "state_string": end.text if end else "building",
        "results": end.results if end else None,
    }
