"""Stage event: does what was decided about an event."""

from __future__ import annotations

import time
from typing import Any

from buildbot.data.resultspec import Filter
from buildbot.master import BuildMaster
from twisted.internet import defer
from twisted.python import log

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Arrival, Change, Decision, Deed, ForgeRepository, Permission, Plan
from buildbot_nix.forges import ForgeService
from buildbot_nix.heads import Heads
from buildbot_nix.reruns import rerun
from buildbot_nix.run_events import RunEvents, RunHeld, RunLetGo
from buildbot_nix.state import KnownHead, KnownHeads, State

#: Why what was is not any more.
NEWER = "there is a newer commit"


class Deeds:
    """What can be done about events, with one plan."""

    def __init__(self, master: BuildMaster, plan: Plan) -> None:
        self._master = master
        self._plan = plan
        self._forges = ForgeService.find(master)
        self._events = RunEvents.find(master)

    async def do(self, decision: Decision, about: str, *, is_certain: bool = False) -> None:
        """Does it. ``about`` says for the log what the event was; the forge was just asked if
        ``is_certain``. Raises ``ForgeError`` if it has to be asked and does not answer."""
        if decision.deed == Deed.Ask:
            assert decision.project is not None and decision.user is not None
            repository = self._repository(decision.project)
            permission = await in_thread(self._forges.permission, repository, decision.user)
            decision = decision.answered(int(permission) >= int(Permission.Write))
        if decision.deed == Deed.Ignore:
            log.msg(f"{about}: nothing to do: {decision.reason}")
        elif decision.deed == Deed.Cancel:
            await self._cancel(decision, about)
        elif decision.deed == Deed.Approve:
            await self._approve(decision, about)
        elif decision.deed == Deed.Rerun:
            await self._rerun(decision, about)
        else:
            await self._move(decision, about, is_certain)

    async def _move(self, decision: Decision, about: str, is_certain: bool) -> None:
        """A branch or pull request has another head: builds it, holds it, or passes by."""
        known = await self._known(decision)
        held = known is not None and known.held is not None
        arrival = decision.arrival(known.head if known else None)
        if arrival == Arrival.Doubtful and not is_certain:
            arrival = await self._ask_for_head(decision)
        where = f"{decision.project} {decision.branch} at {decision.revision}"
        if arrival == Arrival.Late:
            log.msg(f"{about}: {where} is not what it is now")
        elif arrival == Arrival.Same and not (held and decision.deed == Deed.Build):
            log.msg(f"{about}: {where} is known already")
        elif decision.deed == Deed.Build:
            self._let_go(known, NEWER, decision.revision)
            await self._build(decision, about)
        else:
            log.msg(f"{about}: {where} is not built: {decision.reason}")
            # What is not to be built takes the place of what was all the same.
            await self._cancel_runs(decision, NEWER)
            if decision.deed == Deed.Hold:
                self._let_go(known, NEWER, decision.revision)
                await self._hold(decision)
            else:
                self._let_go(known, NEWER)
                await self._remember(decision, None)

    async def _ask_for_head(self, decision: Decision) -> Arrival:
        """For a push that does not follow what is known: it came late, or others were missed."""
        assert decision.project is not None and decision.branch is not None
        branch = decision.branch
        head = await in_thread(self._forges.branch_head, self._repository(decision.project), branch)
        return Arrival.New if head == decision.revision else Arrival.Late

    async def _build(self, decision: Decision, about: str) -> None:
        assert decision.change is not None
        Heads.find(self._master).is_there(decision.change.project, decision.change.branch)
        number = await add_change(self._master, decision.change)
        await self._remember(decision, None)
        log.msg(
            f"{about}: change {number} is {decision.project} {decision.branch} "
            f"at {decision.revision}"
        )

    async def _hold(self, decision: Decision) -> None:
        assert decision.project is not None and decision.revision is not None
        await self._remember(decision, decision.text)
        builder = self._plan.project(decision.project).eval_builder
        updates: Any = self._master.data.updates
        number = await updates.findBuilderId(builder)
        # Where the button is.
        page = f"{self._master.config.buildbotURL}#/builders/{number}"
        self._events.emit(RunHeld(decision.project, decision.revision, page))

    def _let_go(self, known: KnownHead | None, reason: str, now: str | None = None) -> None:
        """What was held of a branch is not any more, unless it is of the commit ``now``."""
        if known is not None and known.held is not None:
            held = Decision.read(known.held)
            assert held.project is not None and held.revision is not None
            if held.revision != now:
                self._events.emit(RunLetGo(held.project, held.revision, reason))

    async def _approve(self, decision: Decision, about: str) -> None:
        assert decision.project is not None and decision.number is not None
        agreed = await self.agreed(decision.project, decision.number)
        wanted = decision.revision
        if agreed.deed != Deed.Build:
            log.msg(f"{about}: nothing to build: {agreed.reason}")
        elif wanted is not None and not (agreed.revision or "").startswith(wanted):
            log.msg(f"{about}: {decision.branch} is at {agreed.revision}, not at {wanted}")
        else:
            log.msg(f"{about}: {decision.user} wants {decision.branch} built")
            await self._build(agreed, about)

    async def agreed(self, project: str, number: int) -> Decision:
        """To build what is held of a pull request, or what it is now; or why there is nothing.

        Raises ``ForgeError`` if the forge has to be asked and does not answer.
        """
        branch = self._plan.pull_request_branch(project, number)
        assert branch is not None, "only what forges tell is decided about"
        known = await KnownHeads(State.find(self._master), project).of(branch)
        if known is not None and known.held is not None:
            return Decision.read(known.held)
        now = await in_thread(self._forges.pull_request, self._repository(project), number)
        return self._plan.decide_found(project, now).agreed()

    async def begin(self, agreed: Decision) -> None:
        """It will be built without a change, in the place of what runs."""
        await self._remember(agreed, None)
        await self._cancel_runs(agreed, "it is built again")

    async def _rerun(self, decision: Decision, about: str) -> None:
        assert decision.project is not None and decision.revision is not None
        project = self._plan.project(decision.project)
        external_id = decision.check[1] if decision.check else None
        who = f"{self._repository(decision.project).forge.word}:{decision.user}"
        build = await rerun(self._master, project, decision.revision, external_id, who)
        again = f"build {build} is done again for {who}"
        what = "there is no build of it" if build is None else again
        log.msg(f"{about}: {project.name} at {decision.revision}: {what}")

    async def _cancel(self, decision: Decision, about: str) -> None:
        assert decision.project is not None and decision.branch is not None
        log.msg(f"{about}: {decision.reason}")
        self._let_go(await self._known(decision), decision.reason or "")
        Heads.find(self._master).is_gone(decision.project, decision.branch)
        await self._heads(decision).forget(decision.branch)
        await self._cancel_runs(decision, decision.reason or "")

    async def _cancel_runs(self, decision: Decision, reason: str) -> None:
        assert decision.project is not None
        builder = self._plan.project(decision.project).eval_builder
        await cancel_runs(self._master, builder, decision.branch, reason)

    async def _known(self, decision: Decision) -> KnownHead | None:
        return await self._heads(decision).of(decision.branch or "")

    async def _remember(self, decision: Decision, held: str | None) -> None:
        assert decision.branch is not None and decision.head is not None
        heads = self._heads(decision)
        await heads.put(decision.branch, decision.head, held, int(time.time()))

    def _repository(self, project: str) -> ForgeRepository:
        repository = self._plan.project(project).repository
        assert repository is not None, "only what forges tell is decided about"
        return repository

    def _heads(self, decision: Decision) -> KnownHeads:
        assert decision.project is not None
        return KnownHeads(State.find(self._master), decision.project)


async def add_change(master: BuildMaster, change: Change) -> int:
    """Gives Buildbot a change, while its schedulers listen."""

    updates: Any = master.data.updates

    def add() -> defer.Deferred[int]:
        added: defer.Deferred[int] = updates.addChange(
            author=change.author,
            committer=change.committer,
            comments=change.comments,
            revision=change.revision,
            branch=change.branch,
            category=change.category,
            repository=change.repository,
            project=change.project,
            revlink=change.revlink,
            when_timestamp=change.seconds,
            files=change.files,
            properties=dict(change.properties),
            src="git",
        )
        return added

    # The master has this lock while it starts and while it is reconfigured: a change that no
    # scheduler sees is never built.
    return await master.initLock.run(add)


async def cancel_runs(master: BuildMaster, builder: str, branch: str | None, reason: str) -> int:
    """Cancels what waits or runs on ``builder`` for ``branch``, or for all of them. Returns how
    many that were."""
    row = await master.data.get(("builders", builder))
    if row is None:
        return 0
    path = ("builders", row["builderid"], "buildrequests")
    unfinished = await master.data.get(path, filters=[Filter("complete", "eq", [False])])
    cancelled = 0
    for request in unfinished:
        buildset = await master.data.get(("buildsets", request["buildsetid"]))
        branches = {stamp["branch"] for stamp in buildset["sourcestamps"]}
        if branch is None or branch in branches:
            number = str(request["buildrequestid"])
            await master.data.control("cancel", {"reason": reason}, ("buildrequests", number))
            cancelled += 1
    return cancelled
