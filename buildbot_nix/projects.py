"""The repositories of forges: found, listened to, looked at, made projects without a restart."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from buildbot.master import BuildMaster
from buildbot.util.service import BuildbotService
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import Change, Deed, ForgeKind, ForgeRepository, Plan, Project
from buildbot_nix.deeds import Deeds, cancel_runs
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.forges import ForgeService
from buildbot_nix.heads import Heads
from buildbot_nix.in_turn import InTurn, until_settled
from buildbot_nix.looks import Looks
from buildbot_nix.state import KnownHeads, Repositories, State

#: Repositories that are looked at at the same time.
PARALLEL = 4
#: Seconds that runs of a repository that is gone get to end, and that a reconfiguration which goes
#: on already is waited for.
PATIENCE = 60


class Projects(BuildbotService):
    """Looks at each forge when the master starts, from time to time, and when somebody asks."""

    SERVICE_NAME: ClassVar[str] = "nix-projects"

    name = SERVICE_NAME

    def checkConfig(self, plan: Plan) -> None:
        pass

    @async_to_deferred
    async def reconfigService(self, plan: Plan) -> None:  # type: ignore[override]
        await super().reconfigService()
        self._plan = plan
        if self.running:
            self._begin()

    @classmethod
    def find(cls, master: BuildMaster) -> Projects:
        """That of ``master``."""
        service: Projects = master.service_manager.namedServices[cls.SERVICE_NAME]
        return service

    @async_to_deferred
    async def startService(self) -> None:
        await super().startService()
        self._looks: dict[ForgeKind, Looks] = {}
        self._begin()

    @async_to_deferred
    async def stopService(self) -> None:
        for looks in self._looks.values():
            looks.stop()
        await super().stopService()

    def _begin(self) -> None:
        """Starts to look at forges that are new in the settings."""
        for forge in self._plan.forges:
            if forge not in self._looks:
                look = functools.partial(self._look, forge)
                self._looks[forge] = Looks(self.master.reactor, forge.word, look)

    def refresh(self, forge: ForgeKind, reason: str) -> None:
        """Something has changed at ``forge``: looks at it soon."""
        if forge in self._looks:
            self._looks[forge].soon(reason)

    def look(self, forge: ForgeKind, reason: str) -> defer.Deferred[str]:
        """Looks at ``forge`` now; fires with a report, fails if it does not answer."""
        return self._looks[forge].now(reason)

    @async_to_deferred
    async def agree(self, project: str, number: int) -> Change:
        """Somebody who may start builds of ``project`` wants pull request ``number`` built, also if
        it is held. Returns what is to be built; nothing else will do it.

        Raises ``ForgeError`` if the forge does not know, and ``ValueError`` if there is nothing.
        """
        repository = self._plan.project(project).repository
        assert repository is not None, "others have no such button"

        async def agreed() -> Change:
            deeds = Deeds(self.master, self._plan)
            decision = await deeds.agreed(project, number)
            if decision.deed != Deed.Build or decision.change is None:
                raise ValueError(f"there is nothing to build: {decision.reason}")
            await deeds.begin(decision)
            return decision.change

        return await InTurn.find(self.master).do(repository.identity, agreed)

    @async_to_deferred
    async def _look(self, forge: ForgeKind) -> str:
        await until_settled(self.master)
        lines = [*await self._discover(forge), *await self._catch_up(forge)]
        await ForgeService.of(self.master).keep_memory()
        return "\n".join(lines)

    async def _discover(self, forge: ForgeKind) -> list[str]:
        """Finds the repositories of ``forge``, makes projects of them and sees to their hooks."""
        table = Repositories(State.find(self.master))
        known = [ForgeRepository.restore(text) for text in await table.of(forge.word)]
        found = await in_thread(ForgeService.find(self.master).discover, forge)
        repositories = found.with_known(known)
        lines = [f"{len(repositories)} repositories are built"]
        lines += (f"{name} is left out: {reason}" for name, reason in found.left_out)
        lines += found.notices
        changes = list(describe_changes(known, repositories))
        if changes:
            lines += changes
            names = {repository.full_name for repository in repositories}
            await self._retire(row.full_name for row in known if row.full_name not in names)
            texts = {repository.id: repository.stored() for repository in repositories}
            await table.replace(forge.word, texts)
            await self._reconfigure()
            lines += await self._part_with_hooks([row for row in known if row.id not in texts])
        return lines + await self._see_to_hooks(repositories)

    async def _reconfigure(self) -> None:
        await self.master.reconfig()
        # One that went on already has read what was known before, and is followed by another.
        await wait_until(self.master, lambda: not self.master.reconfig_active)

    async def _retire(self, gone: Iterable[str]) -> None:
        """Ends the runs of repositories that are built no more, or not under that name. Buildbot
        would lose those that go on when their builders go."""
        names = set(gone)
        projects = [
            project
            for project in self._plan.projects
            if project.repository is not None and project.repository.full_name in names
        ]
        for project in projects:
            reason = f"{project.name} is not built any more"
            for builder in (project.eval_builder, project.build_builder):
                await cancel_runs(self.master, builder, None, reason)
        builders = [project.eval_builder for project in projects]
        builders += (project.build_builder for project in projects)
        await wait_until(self.master, lambda: not any(map(self._is_building, builders)))
        for project in projects:
            await KnownHeads(State.find(self.master), project.name).forget(None)

    def _is_building(self, builder: str) -> bool:
        builders = self.master.botmaster.builders
        return builder in builders and bool(builders[builder].building)

    async def _see_to_hooks(self, repositories: list[ForgeRepository]) -> list[str]:
        forges = ForgeService.find(self.master)
        outcomes = await in_thread(forges.ensure_hooks, repositories)
        return [
            f"webhook of {outcome.identity}: {outcome.error or 'made as it should be'}"
            for outcome in outcomes
            if outcome.error or outcome.changed
        ]

    async def _part_with_hooks(self, gone: list[ForgeRepository]) -> list[str]:
        outcomes = await in_thread(ForgeService.find(self.master).remove_hooks, gone)
        return [
            f"webhook of {outcome.identity}: {outcome.error or 'removed'}"
            for outcome in outcomes
            if outcome.error or outcome.changed
        ]

    async def _catch_up(self, forge: ForgeKind) -> list[str]:
        """Looks for what the forge has not told of."""
        places = defer.DeferredSemaphore(PARALLEL)
        pairs = ((project, project.repository) for project in self._plan.projects)
        looks = [
            places.run(self._catch_up_with, project, repository)
            for project, repository in pairs
            if repository is not None and repository.forge == forge
        ]
        reports = await defer.gatherResults(looks)
        return [report for report in reports if report]

    @async_to_deferred
    async def _catch_up_with(self, project: Project, repository: ForgeRepository) -> str | None:
        compare = functools.partial(self._compare, project, repository)
        try:
            await InTurn.find(self.master).do(repository.identity, compare)
        except BuildbotNixError as error:
            return f"{project.name}: {error}"
        return None

    async def _compare(self, project: Project, repository: ForgeRepository) -> None:
        forges = ForgeService.find(self.master)
        heads = KnownHeads(State.find(self.master), project.name)
        branches = await in_thread(forges.branch_heads, repository)
        pulls = await in_thread(forges.open_pull_requests, repository)
        known = {branch: head.head for branch, head in (await heads.all()).items()}
        deeds = Deeds(self.master, self._plan)
        for decision in self._plan.compare(project.name, branches, pulls, known):
            about = f"a look at {repository.forge.word}"
            await deeds.do(decision, about, is_certain=True)
        # So that they are not forgotten as long as they are there.
        await heads.seen(list(known), int(time.time()))
        Heads.find(self.master).are(project.name, self._built(project, branches))

    def _built(self, project: Project, branches: Iterable[str]) -> Iterable[str]:
        for branch in branches:
            decision = self._plan.branch_decision(project.name, branch)
            if decision.build or decision.merge_queue:
                yield branch


def describe_changes(
    before: Iterable[ForgeRepository], now: Iterable[ForgeRepository]
) -> Iterable[str]:
    """What is new, gone and different, in words."""
    then = {repository.id: repository for repository in before}
    for repository in now:
        known = then.pop(repository.id, None)
        if known is None:
            yield f"new: {repository.full_name}"
        elif known.full_name != repository.full_name:
            yield f"renamed: {known.full_name} to {repository.full_name}"
        elif known != repository:
            yield f"changed: {repository.full_name}"
    for repository in then.values():
        yield f"gone: {repository.full_name}"


@async_to_deferred
async def wait_until(master: BuildMaster, done: Callable[[], bool]) -> None:
    """Waits, though not for ever."""
    until = master.reactor.seconds() + PATIENCE
    while not done():
        if master.reactor.seconds() > until:
            log.msg(f"waited for {PATIENCE} s; going on")
            return
        pause: defer.Deferred[None] = defer.Deferred()
        master.reactor.callLater(0.2, pause.callback, None)
        await pause
