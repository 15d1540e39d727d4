"""Asks the policy about what people do on Buildbot's pages and in its API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from buildbot.data.base import Endpoint
from buildbot.data.exceptions import InvalidPathError
from buildbot.data.forceschedulers import ForceSchedulerEndpoint
from buildbot.data.resultspec import ResultSpec
from buildbot.master import BuildMaster
from buildbot.schedulers.forcesched import ForceScheduler
from buildbot.util.twisted import async_to_deferred
from buildbot.www.authz.authz import Authz, Forbidden
from twisted.python import log

from buildbot_nix._native import Action, Permission, Plan, Ruling, User
from buildbot_nix.auth.permissions import Permissions
from buildbot_nix.auth.proxy import ProxyGate
from buildbot_nix.auth.sessions import Sessions, qualified
from buildbot_nix.auth.subjects import Subjects, UnknownSubjectError
from buildbot_nix.cancelling import CancelJobs
from buildbot_nix.memory import FORGET_PROPERTY

#: What Buildbot's control endpoints do. What is not listed is for admins.
ACTIONS = {
    ("BuildEndpoint", "rebuild"): Action.Restart,
    ("BuildEndpoint", "stop"): Action.Stop,
    ("BuildRequestEndpoint", "cancel"): Action.Cancel,
    ("BuildRequestEndpoint", "set_priority"): Action.Operate,
    ("ForceSchedulerEndpoint", "force"): Action.Force,
    ("SchedulerEndpoint", "enable"): Action.Operate,
    ("WorkerEndpoint", "kill"): Action.Operate,
    ("WorkerEndpoint", "pause"): Action.Operate,
    ("WorkerEndpoint", "stop"): Action.Operate,
    ("WorkerEndpoint", "unpause"): Action.Operate,
}
#: Methods of HTTP that only look.
READING = frozenset({"get", "head", "options"})
#: Of a build: who proposed what it builds, as `<provider>:<login>`.
AUTHOR_PROPERTY = "pull_request_author"


class Asked(NamedTuple):
    """What somebody wants to do."""

    actions: tuple[Action, ...]
    #: Names of the projects it is done to; None is the instance.
    projects: frozenset[str | None]
    #: Who proposed what it is done to.
    author: str | None = None


class Authorizer(Authz):
    """Buildbot asks this one before each request to its API, and for each websocket."""

    master: BuildMaster

    def __init__(self, plan: Plan, gate: ProxyGate | None) -> None:
        super().__init__(allowRules=[], roleMatchers=[])
        self._plan = plan
        #: What lets requests in, if they have to come through a proxy.
        self.gate = gate
        #: Whether not everybody sees everything.
        self.filters = plan.hides_private
        #: Projects by the names of their own builders.
        self._builders = {row.name: row.project for row in plan.builders}

    def setMaster(self, master: BuildMaster) -> None:
        super().setMaster(master)
        self.subjects = Subjects(master, self._plan)
        self._permissions = Permissions(master, self._plan)

    @property
    def sessions(self) -> Sessions:
        """Who is logged in."""
        return Sessions.find(self.master)

    def shows_badge(self, path: Sequence[bytes]) -> bool:
        """Whether everybody may see a badge of Buildbot's plugin, which asks nobody: of a builder
        of a project that everybody may see, in front of the dot."""
        if not self.filters:
            return True
        if len(path) != 1:
            return False
        project = self._builders.get(path[0].decode(errors="replace").rpartition(".")[0])
        if project is None:
            return False
        return self._plan.rule(None, Permission.Nothing, Action.See, project, None).allowed

    @async_to_deferred
    async def assertUserAllowed(
        self,
        ep: str | tuple[str, ...],
        action: str,
        options: dict[str, Any],
        userDetails: dict[str, Any],
    ) -> None:
        """Raises ``Forbidden`` with the reason; ``InvalidPathError``, as for what is not there, if
        even that is not for them."""
        user = user_of(userDetails)
        action = action.lower()
        asked = await self._asked(ep, action, options)
        what = f"{action} on {place(ep)}"
        if Action.Purge in asked.actions:
            what += ", and to forget failures"
        only_looks = asked.actions == (Action.See,)
        for wanted, project in product(asked.actions, asked.projects):
            decision = await self.rule(user, wanted, project, asked.author)
            if decision.hidden:
                raise InvalidPathError(f"Invalid path: {place(ep)}")
            if not decision.allowed:
                if not only_looks:
                    audit(user, f"was denied {what}: {decision.reason}")
                raise Forbidden(decision.reason.encode())
        if not only_looks:
            audit(user, f"did {what}")
        if asked.actions[0] in (Action.Stop, Action.Cancel):
            # What the build says of its end. Buildbot passes on these very parameters.
            options["reason"] = f"{options.get('reason', 'no reason')} (by {name_of(user)})"

    async def rule(
        self, user: User | None, action: Action, project: str | None, author: str | None = None
    ) -> Ruling:
        """The policy's answer, for which the forge is asked where that matters."""
        permission = Permission.Nothing
        if self._plan.depends_on_permission(user, action, project, author):
            assert user is not None and project is not None
            permission = await self._permissions.of(user, project)
        return self._plan.rule(user, permission, action, project, author)

    async def sees(self, user: User | None, kind: str, record: Mapping[str, Any]) -> bool:
        """Whether ``user`` may see ``record``, of type ``kind`` of Buildbot's API."""
        try:
            project = await self.subjects.of_record(kind, record)
        except UnknownSubjectError:
            # Written by something that we do not know: for admins.
            return (await self.rule(user, Action.Operate, None)).allowed
        return (await self.rule(user, Action.See, project)).allowed

    async def _asked(
        self, path: str | tuple[str, ...], action: str, options: Mapping[str, Any]
    ) -> Asked:
        if isinstance(path, str):
            # The websocket, which asks about everything at once: its messages are looked at one
            # by one.
            return Asked((Action.See,), frozenset({None}))
        endpoint, arguments = self.master.data.getEndpoint(path)
        if action in READING:
            return Asked((Action.See,), frozenset({await self._project(path, arguments)}))
        what = ACTIONS.get((type(endpoint).__name__, action), Action.Operate)
        if what == Action.Force:
            assert isinstance(endpoint, ForceSchedulerEndpoint)
            scheduler = await self._force_scheduler(endpoint, arguments["schedulername"])
            builders = await self._forced(scheduler, options)
            projects = [await self._project(path, {"buildername": name}) for name in builders]
            if isinstance(scheduler, CancelJobs):
                what = Action.Cancel
            forgets = (Action.Purge,) if options.get(FORGET_PROPERTY) else ()
            return Asked((what, *forgets), frozenset(projects or [None]))
        project = await self._project(path, arguments)
        author = await self._author(endpoint, arguments) if what == Action.Restart else None
        return Asked((what,), frozenset({project}), author)

    async def _project(self, path: tuple[str, ...], arguments: Mapping[str, Any]) -> str | None:
        try:
            return await self.subjects.of_path(arguments)
        except UnknownSubjectError:
            raise InvalidPathError(f"Invalid path: {place(path)}") from None

    async def _force_scheduler(self, endpoint: ForceSchedulerEndpoint, name: str) -> ForceScheduler:
        # Buildbot does not put its absence into a Deferred.
        found = endpoint.findForceScheduler(name)
        if found is None:
            raise InvalidPathError(f"Invalid path: forceschedulers/{name}")
        scheduler: ForceScheduler = await found
        return scheduler

    async def _forced(self, scheduler: ForceScheduler, options: Mapping[str, Any]) -> Iterable[str]:
        """The builders that ``scheduler`` would start, which are not only its own: Buildbot takes
        any builder that the request names."""
        names = await scheduler.computeBuilderNames(
            options.get("builderNames"), options.get("builderid")
        )
        return {*names, *scheduler.builderNames}

    async def _author(self, endpoint: Endpoint, arguments: Mapping[str, Any]) -> str | None:
        build = await endpoint.get(ResultSpec(), dict(arguments))
        if build is None:
            return None
        properties = await self.master.db.builds.getBuildProperties(build["buildid"])
        value, source = properties.get(AUTHOR_PROPERTY, (None, None))
        # Whoever forces a build gives it properties.
        return value if source == "Change" else None


def place(path: str | tuple[str, ...]) -> str:
    """For people."""
    return path if isinstance(path, str) else "/".join(path)


def audit(user: User | None, what: str) -> None:
    """Who did what, in the log."""
    log.msg(f"buildbot-nix: {name_of(user)} {what}")


def name_of(user: User | None) -> str:
    """For people."""
    return qualified(user.provider, user.login) if user else "somebody who is not logged in"


def user_of(details: Mapping[str, Any]) -> User | None:
    """Who a session belongs to; nobody, if it is not one that a log-in of ours made."""
    try:
        return User(details["provider"], details["login"], details["id"], details["memberships"])
    except KeyError:
        return None
