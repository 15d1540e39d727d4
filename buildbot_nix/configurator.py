"""From the master plan to Buildbot's configuration, row by row. Decides nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from buildbot.changes.filter import ChangeFilter
from buildbot.config.builder import BuilderConfig
from buildbot.config.errors import ConfigErrors
from buildbot.process.factory import BuildFactory
from buildbot.process.project import Project as BuildbotProject
from buildbot.process.properties import Secret
from buildbot.schedulers.basic import SingleBranchScheduler
from buildbot.schedulers.canceller import OldBuildCanceller
from buildbot.schedulers.triggerable import Triggerable
from buildbot.util.ssfilter import SourceStampFilter
from buildbot.worker.base import AbstractWorker
from buildbot.worker.local import LocalWorker
from twisted.python import log

from buildbot_nix._native import (
    Builder,
    BuilderKind,
    ForgeKind,
    ForgeRepository,
    GitSecrets,
    Plan,
    Poller,
    Project,
    Scheduler,
    SchedulerKind,
    Uploader,
    load_plan,
)
from buildbot_nix.amend import Amender
from buildbot_nix.auth.access import Access
from buildbot_nix.buttons import build_button, reload_button, upload_button
from buildbot_nix.cancelling import CancelJobs
from buildbot_nix.continuation import MachineChoice
from buildbot_nix.database import database_config
from buildbot_nix.errors import BuildbotNixError, ConfigError
from buildbot_nix.forges import ForgeService
from buildbot_nix.heap import Heap
from buildbot_nix.inbox import Inbox
from buildbot_nix.liveness import Connections, RemoteWorker
from buildbot_nix.machines import Machines
from buildbot_nix.outbox import Outbox
from buildbot_nix.placement import Placement
from buildbot_nix.poller import HeadPoller, heads_only
from buildbot_nix.post_build import check as check_post_build_steps
from buildbot_nix.projects import Projects
from buildbot_nix.records import Records
from buildbot_nix.reporter import Reporter
from buildbot_nix.runs import AttributeRebuild, EvaluationBuild, ToldFactory
from buildbot_nix.secrets import SettingsSecrets
from buildbot_nix.state import Janitor, known_repositories
from buildbot_nix.steps.build import BuildAttribute
from buildbot_nix.steps.checkout import Checkout
from buildbot_nix.steps.eval import EvaluateFlake
from buildbot_nix.steps.reload import Reload
from buildbot_nix.steps.trigger import BuildFlake
from buildbot_nix.uploads import Upload, Uploads, WaitForUploads
from buildbot_nix.webhook import ForgeHook

if TYPE_CHECKING:
    # Buildbot 4.2 has another one.
    from buildbot.schedulers.base import ReconfigurableBaseScheduler


def master_config(settings: str | os.PathLike[str]) -> dict[str, Any]:
    """Buildbot's configuration for the settings file ``settings``, ready to be extended.

    Reads files, so it may block; Buildbot loads master.cfg in a thread.
    Raises ``ConfigErrors`` that name every problem, which Buildbot prints without a traceback.
    """
    try:
        plan = load_plan(os.fspath(settings))
        check_post_build_steps(plan)
        if plan.forges:
            # As they were found last; the forge may be away.
            texts = known_repositories(plan.db_url())
            plan = plan.with_repositories([ForgeRepository.restore(text) for text in texts])
        return Materialiser(plan).config()
    except ConfigError as error:
        raise ConfigErrors(error.problems.splitlines()) from None
    except BuildbotNixError as error:
        raise ConfigErrors([str(error)]) from None


class Materialiser:
    """Makes Buildbot's objects of the rows of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.projects = {project.name: project for project in plan.projects}
        self.access = Access(plan)
        self.machines = {row.name: row.machine for row in plan.workers}
        self.placement = Placement(
            [row.name for row in plan.builders if row.kind == BuilderKind.Eval], self.machines
        )

    def config(self) -> dict[str, Any]:
        """The whole configuration."""
        plan = self.plan
        for notice in plan.notices:
            log.msg(f"buildbot-nix: {notice}")
        return {
            "title": plan.title,
            "titleURL": plan.url,
            "buildbotURL": plan.url,
            "buildbotNetUsageData": None,
            # All it does here: Buildbot accepts a configuration without builders, as a new master
            # has before its first repository.
            "multiMaster": not plan.builders,
            "db": database_config(plan.db_url()),
            "protocols": {"pb": {"port": plan.worker_port}},
            "www": {
                "port": plan.port,
                "plugins": {},
                "change_hook_dialects": {
                    forge.word: {"custom_class": ForgeHook, "forge": forge} for forge in plan.forges
                },
                **self.access.www(),
            },
            "projects": [self.project(project) for project in plan.projects],
            "workers": self.workers(),
            "builders": [
                *(self.builder(row) for row in plan.builders),
                *(self.uploader(row) for row in plan.uploaders),
                *(self.reloader(forge) for forge in plan.forges),
            ],
            "schedulers": [
                *(self.scheduler(row) for row in plan.schedulers),
                *(scheduler for row in plan.uploaders for scheduler in upload_schedulers(row)),
                *(reload_button(forge) for forge in plan.forges),
            ],
            "change_source": [self.poller(row) for row in plan.pollers],
            "services": self.services(),
            "secretsProviders": [SettingsSecrets(plan)],
        }

    def project(self, row: Project) -> BuildbotProject:
        return BuildbotProject(name=row.buildbot_name, slug=row.id, description=row.url)

    def workers(self) -> list[AbstractWorker]:
        workers: list[AbstractWorker] = []
        for row in self.plan.workers:
            properties = {"nix_machine": row.machine}
            if row.local:
                workers.append(LocalWorker(row.name, properties=properties))
            else:
                password = self.plan.worker_password(row.name)
                workers.append(RemoteWorker(row.name, password, properties=properties))
        return workers

    def builder(self, row: Builder) -> BuilderConfig:
        project = self.projects[row.project]
        build = row.kind == BuilderKind.Build
        return BuilderConfig(
            name=row.name,
            project=project.buildbot_name,
            builddir=row.builddir,
            workernames=list(self.machines),
            factory=self.build_steps(row) if build else self.eval_steps(row),
            nextWorker=self.worker_with_the_derivation
            if build
            else MachineChoice(self.machines, partial(self.placement.next_worker, project.name)),
            # A newer commit cancels what waits, see `OldBuildCanceller`. To collapse, Buildbot
            # compares each request with all that wait.
            collapseRequests=False,
            tags=row.tags,
            description=row.description,
        )

    def reloader(self, forge: ForgeKind) -> BuilderConfig:
        """What the button ``Update projects`` starts."""
        return BuilderConfig(
            name=f"reload-{forge.word}-projects",
            workernames=list(self.machines),
            factory=BuildFactory([Reload(forge)]),
            description=f"Looks for repositories of {forge.word} now",
        )

    def eval_steps(self, row: Builder) -> BuildFactory:
        project = self.projects[row.project]
        checkout = Checkout(self.plan, project)
        evaluate = EvaluateFlake(self.plan, project)
        steps = [checkout, evaluate, BuildFlake(self.plan, project)]
        if self.plan.caches:
            steps.append(WaitForUploads(self.plan, project))
        return ToldFactory(EvaluationBuild, project.name, steps)

    def build_steps(self, row: Builder) -> BuildFactory:
        project = self.projects[row.project]
        steps = [BuildAttribute(self.plan, project)]
        return ToldFactory(AttributeRebuild, project.name, steps)

    def uploader(self, row: Uploader) -> BuilderConfig:
        return BuilderConfig(
            name=row.builder,
            builddir=row.builddir,
            workernames=[row.worker],
            factory=BuildFactory([Upload(self.plan, row.machine)]),
            collapseRequests=True,
            tags=["uploads"],
            description=f"Uploads what was built on {row.machine}",
        )

    def worker_with_the_derivation(self, _: Any, workers: Iterable[Any], request: Any) -> Any:
        """A free worker of the machine that evaluated: the derivation is in its store. Any if that
        is not there any more, so that the build can say so."""
        machine = request.properties.getProperty("nix_machine")
        has_left = machine not in self.machines.values()
        fits = (w for w in workers if has_left or self.machines.get(w.worker.name) == machine)
        return next(fits, None)

    def scheduler(self, row: Scheduler) -> ReconfigurableBaseScheduler:
        project = self.projects[row.project]
        if row.kind == SchedulerKind.Triggerable:
            return Triggerable(name=row.name, builderNames=[row.builder])
        if row.kind == SchedulerKind.Cancel:
            return CancelJobs(name=row.name, builderNames=[row.builder])
        if row.kind == SchedulerKind.Force:
            return build_button(row, project, self.plan.cache_failed_builds)
        return SingleBranchScheduler(
            name=row.name,
            builderNames=[row.builder],
            treeStableTimer=None,
            change_filter=self.changes(row.kind, project),
        )

    def changes(self, kind: SchedulerKind, project: Project) -> ChangeFilter:
        """Which changes start the scheduler. What a pull request calls its branch decides nothing:
        its category tells it from a push."""
        if kind == SchedulerKind.PullRequests:
            return ChangeFilter(project=project.name, category="pull")
        return ChangeFilter(
            project=project.name,
            category_fn=lambda category: category != "pull",
            branch_fn=self.branches(kind, project),
        )

    def branches(self, kind: SchedulerKind, project: Project) -> Callable[[str | None], bool]:
        """Whether changes of a branch start the scheduler."""
        queue = kind == SchedulerKind.MergeQueue
        plan = self.plan

        def wanted(branch: str | None) -> bool:
            if branch is None:
                return False
            decision = plan.branch_decision(project.name, branch)
            return decision.merge_queue if queue else decision.build

        return wanted

    def poller(self, row: Poller) -> HeadPoller:
        project = self.projects[row.project]
        plan = self.plan

        def polled(branch: str) -> bool:
            decision = plan.branch_decision(project.name, branch)
            return decision.build or decision.merge_queue

        return HeadPoller(
            row.url,
            name=row.name,
            project=project.name,
            category="push",
            workdir=row.work_directory,
            branches=heads_only(polled),
            pollInterval=row.poll_interval,
            pollRandomDelayMax=row.poll_spread,
            pollAtLaunch=True,
            default_branch=project.default_branch,
            eval_builder=project.eval_builder,
            build_on_first_poll=row.build_on_first_poll,
            **git_credentials(row.git_secrets),
        )

    def services(self) -> list[Any]:
        slots = Counter(self.machines.values())
        evaluations = self.plan.concurrent_evaluations
        services: list[Any] = [
            Heap(plan=self.plan),
            ForgeService(plan=self.plan),
            Connections(name=Connections.SERVICE_NAME),
            Machines(slots=dict(slots), evaluations=evaluations),
            Records(name=Records.SERVICE_NAME),
            Janitor(retention=self.plan.retention),
            Outbox(name=Outbox.SERVICE_NAME),
            Reporter(plan=self.plan),
            Amender(name=Amender.SERVICE_NAME),
            *self.access.services(),
        ]
        if self.plan.caches:
            schedulers = {row.machine: row.scheduler for row in self.plan.uploaders}
            services.append(Uploads(schedulers=schedulers))
        if self.plan.forges:
            services += [Inbox(plan=self.plan), Projects(plan=self.plan)]
        if self.plan.cancel_filters:
            filters = [
                ([row.builder], SourceStampFilter(project_eq=row.project))
                for row in self.plan.cancel_filters
            ]
            services.append(OldBuildCanceller(self.plan.build_canceller, filters=filters))
        return services


def upload_schedulers(row: Uploader) -> list[ReconfigurableBaseScheduler]:
    """Uploads start by themselves, or by hand."""
    return [Triggerable(name=row.scheduler, builderNames=[row.builder]), upload_button(row)]


def git_credentials(secrets: GitSecrets) -> dict[str, Any]:
    """What a poller needs to fetch, as secrets that Buildbot asks for when it does."""
    credentials: dict[str, Any] = {}
    if secrets.ssh_private_key:
        credentials["sshPrivateKey"] = Secret(secrets.ssh_private_key)
    if secrets.ssh_known_hosts:
        credentials["sshKnownHosts"] = Secret(secrets.ssh_known_hosts)
    if secrets.https_user and secrets.https_password:
        user, password = Secret(secrets.https_user), Secret(secrets.https_password)
        credentials["auth_credentials"] = (user, password)
    return credentials
