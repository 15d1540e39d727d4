"""Polled repositories: heads of the branches that matter become changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from buildbot.changes.gitpoller import GitError, GitPoller
from buildbot.util.twisted import async_to_deferred
from twisted.python import log

from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.heads import Heads

#: Seconds until the next try of a poll that came while the master was being (re)configured.
RETRY_SECONDS = 0.5


class HeadPoller(GitPoller):
    """A GitPoller that makes one change of what a branch now is, however many commits were
    pushed, and also when it was reset to an older commit. Each evaluation tests the whole
    tree, so the commits in between would only be built to be cancelled.

    A branch that was never seen is a change too. On the very first poll this holds for the
    default branch alone, so that a new user sees something at once, and only if nothing was
    ever built: the poller's memory may be lost while the builds are not.
    """

    compare_attrs: ClassVar[tuple[str, ...]] = (
        *GitPoller.compare_attrs,
        "default_branch",
        "eval_builder",
        "build_on_first_poll",
    )

    def __init__(self, repourl: str, **kwargs: Any) -> None:
        super().__init__(repourl, **kwargs)
        self._first_poll = False

    def checkConfig(  # type: ignore[override]
        self,
        repourl: str,
        *,
        default_branch: str,
        eval_builder: str,
        build_on_first_poll: bool,
        **kwargs: Any,
    ) -> None:
        super().checkConfig(repourl, **kwargs)

    @async_to_deferred
    async def reconfigService(  # type: ignore[override]
        self,
        repourl: str,
        *,
        default_branch: str,
        eval_builder: str,
        build_on_first_poll: bool,
        **kwargs: Any,
    ) -> None:
        self.default_branch = default_branch
        self.eval_builder = eval_builder
        self.build_on_first_poll = build_on_first_poll
        await super().reconfigService(repourl, **kwargs)

    @async_to_deferred
    async def poll(self) -> None:  # type: ignore[override]
        if self.master.initLock.locked:
            # Pollers are started before the schedulers listen, and a change that no scheduler
            # sees is never built. Waiting for the lock here could last for ever: the master may
            # hold it while it waits for this poll.
            self.master.reactor.callLater(RETRY_SECONDS, self.doPoll)
            return
        try:
            if self.lastRev is None:
                self.lastRev = await self.getState("lastRev", {})
            self._first_poll = not self.lastRev
            await super().poll()
            branches = {self._removeHeads(branch) for branch in self.lastRev or {}}
            # A poll that could not fetch says nothing.
            if self.default_branch in branches:
                Heads.find(self.master).are(self.project, branches)
        except (GitError, OSError, BuildbotNixError) as error:
            # Expected as long as the network, the server or a secret is away; the next poll
            # tries again.
            log.msg(f"cannot poll {self.name}: {error}")

    @async_to_deferred
    async def _process_changes(self, newRev: str, branch: str) -> None:
        name = self._removeHeads(branch)
        if (self.lastRev or {}).get(branch) == newRev:
            return
        if self._first_poll and not await self._is_wanted_at_first(name):
            log.msg(f"remembering {name} of {self.name} at {newRev} without building it")
            return
        log.msg(f"{name} of {self.name} is now {newRev}")
        comments = await self._get_commit_comments(newRev)
        await self.master.data.updates.addChange(
            author=await self._get_commit_author(newRev),
            committer=await self._get_commit_committer(newRev),
            revision=newRev,
            files=await self._get_commit_files(newRev),
            comments=comments,
            when_timestamp=await self._get_commit_timestamp(newRev),
            branch=name,
            project=self.project,
            repository=self.repourl,
            category=self.category,
            properties={"event": "push"},
            src="git",
        )

    async def _is_wanted_at_first(self, branch: str) -> bool:
        if not self.build_on_first_poll or branch != self.default_branch:
            return False
        builds = await self.master.data.get(("builders", self.eval_builder, "builds"))
        return not builds


def heads_only(wanted: Callable[[str], bool]) -> Callable[[str], bool]:
    """A filter of refs for GitPoller from a filter of branch names."""

    def accept(ref: str) -> bool:
        return ref.startswith("refs/heads/") and wanted(ref.removeprefix("refs/heads/"))

    return accept
