"""The attributes of the last evaluation of each branch, kept in Buildbot's state."""

from __future__ import annotations

import base64
import zlib
from typing import Any

from buildbot.master import BuildMaster
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer

from buildbot_nix._bridge import in_thread

#: Branches of a project that are kept; the one that was not evaluated for longest goes first.
BRANCHES_MAX = 30
#: Bytes of names. More are not compared: they would take a noticeable part of the database.
NAMES_MAX = 32 << 20
#: Of the state's object, with the project's name.
CLASS = "buildbot_nix.history"
#: Which branches are kept: ``[branch, place, build]``, the latest last.
INDEX = "branches"

# Changing the index is to read it and to write it.
_turn = defer.DeferredLock()


def _pack(names: str) -> str:
    return base64.b85encode(zlib.compress(names.encode())).decode()


def _unpack(packed: str) -> str | None:
    try:
        return zlib.decompress(base64.b85decode(packed)).decode()
    except (ValueError, zlib.error):
        # Somebody changed the database. There is nothing to compare with, and no harm in that.
        return None


class History:
    """What is kept of one project. Names are text of ``Run.compare``."""

    def __init__(self, master: BuildMaster, project: str) -> None:
        self._state = master.db.state
        self._project = project

    @async_to_deferred
    async def names_of(self, branch: str, build: int) -> str | None:
        """The names of the last evaluation of ``branch`` before ``build``, if they are kept."""
        object_id = await self._state.getObjectId(self._project, CLASS)
        for kept, place, number in await self._state.getState(object_id, INDEX, []):
            if kept == branch and number < build:
                packed = await self._state.getState(object_id, _name(place), None)
                return await in_thread(_unpack, packed) if packed else None
        return None

    @async_to_deferred
    async def keep(self, branch: str, build: int, names: str) -> None:
        """Keeps ``names`` as those of ``build``, unless a later one of the branch is kept."""
        if len(names) > NAMES_MAX:
            return
        packed = await in_thread(_pack, names)
        await _turn.acquire()
        try:
            object_id = await self._state.getObjectId(self._project, CLASS)
            index = await self._state.getState(object_id, INDEX, [])
            if any(kept == branch and number > build for kept, _, number in index):
                return
            place, index = _place(branch, index)
            # First the names: an index without them would promise too much.
            await self._state.setState(object_id, _name(place), packed)
            index.append([branch, place, build])
            await self._state.setState(object_id, INDEX, index)
        finally:
            _turn.release()


def _name(place: int) -> str:
    return f"names-{place}"


def _place(branch: str, index: list[list[Any]]) -> tuple[int, list[list[Any]]]:
    """Where to keep ``branch``, and the index without what is there."""
    for entry in index:
        if entry[0] == branch:
            return entry[1], [other for other in index if other is not entry]
    if len(index) < BRANCHES_MAX:
        return len(index), list(index)
    return index[0][1], index[1:]
