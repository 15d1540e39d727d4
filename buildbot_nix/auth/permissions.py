"""What forges let users do with repositories. They are asked, and believed for a while."""

from __future__ import annotations

from buildbot.master import BuildMaster
from buildbot.util.twisted import async_to_deferred
from twisted.internet import defer
from twisted.python import log

from buildbot_nix._bridge import in_thread
from buildbot_nix._native import ForgeRepository, Permission, Plan, User
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.forges import ForgeService

#: Seconds for which an answer is believed.
BELIEVED = 600
#: Seconds for which it is that a forge did not answer.
RETRY = 30
#: Answers that are remembered.
REMEMBERED = 10_000


class Permissions:
    """Those of one plan."""

    def __init__(self, master: BuildMaster, plan: Plan) -> None:
        self._master = master
        self._repositories = {
            project.name: project.repository
            for project in plan.projects
            if project.repository is not None
        }
        self._answers: dict[tuple[str, str], tuple[float, defer.Deferred[Permission]]] = {}

    async def of(self, user: User, project: str) -> Permission:
        """What ``user`` may do; nothing, if their name is not one of the project's forge."""
        repository = self._repositories.get(project)
        if repository is None or repository.forge.word != user.provider:
            return Permission.Nothing
        now = self._master.reactor.seconds()
        key = (user.login, project)
        until, answer = self._answers.get(key, (0.0, None))
        if answer is None or until < now:
            answer = self._ask(user.login, repository, key)
            self._remember(key, now + BELIEVED, answer)
        return await shared(answer)

    @async_to_deferred
    async def _ask(
        self, login: str, repository: ForgeRepository, key: tuple[str, str]
    ) -> Permission:
        forges = ForgeService.find(self._master)
        try:
            return await in_thread(forges.permission, repository, login)
        except BuildbotNixError as error:
            log.msg(f"buildbot-nix: what {login} may do with {repository.full_name}: {error}")
            until = self._master.reactor.seconds() + RETRY
            self._answers[key] = (until, defer.succeed(Permission.Nothing))
            return Permission.Nothing

    def _remember(
        self, key: tuple[str, str], until: float, answer: defer.Deferred[Permission]
    ) -> None:
        self._answers.pop(key, None)
        self._answers[key] = (until, answer)
        if len(self._answers) > REMEMBERED:
            self._answers.pop(next(iter(self._answers)))


def shared(answer: defer.Deferred[Permission]) -> defer.Deferred[Permission]:
    """``answer`` for one of those who wait for it; none of them may end it for the others."""
    waiter: defer.Deferred[Permission] = defer.Deferred()

    def tell(permission: Permission) -> Permission:
        waiter.callback(permission)
        return permission

    answer.addCallback(tell)
    return waiter
