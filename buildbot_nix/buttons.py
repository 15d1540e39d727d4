"""The buttons by which people start something: force schedulers."""

from __future__ import annotations

from typing import Any

from buildbot.master import BuildMaster
from buildbot.schedulers.forcesched import (
    BaseParameter,
    BooleanParameter,
    CodebaseParameter,
    FixedParameter,
    ForceScheduler,
    StringParameter,
    ValidationError,
)
from buildbot.util.twisted import async_to_deferred

from buildbot_nix._native import ForgeKind, Project, Scheduler, Uploader
from buildbot_nix.builds import FORCE_PROPERTY
from buildbot_nix.errors import BuildbotNixError
from buildbot_nix.memory import FORGET_PROPERTY
from buildbot_nix.projects import Projects

#: Digits of the number of a pull request.
DIGITS_MAX = 9


class PullRequestParameter(StringParameter):
    """The number of a pull request that is built instead of a branch, as ``/build`` below it does.

    It fills in what the change of the pull request would say.
    """

    def __init__(self, project: str) -> None:
        super().__init__(
            name="pull_request",
            label="Pull request (its number; built even if it waits for approval)",
            size=10,
        )
        self._project = project

    @async_to_deferred
    async def updateFromKwargs(  # type: ignore[override]
        self,
        properties: dict[str, Any],
        kwargs: dict[str, Any],
        collector: object,
        *,
        master: BuildMaster,
        sourcestamps: dict[str, dict[str, Any]],
        **unused: object,
    ) -> None:
        number = str(self.getFromKwargs(kwargs)).strip().removeprefix("#")
        if not number:
            return
        if not number.isdecimal() or len(number) > DIGITS_MAX:
            raise ValidationError(f"expected the number of a pull request, found `{number}`")
        try:
            change = await Projects.find(master).agree(self._project, int(number))
        except BuildbotNixError as error:
            raise ValidationError(str(error)) from None
        sourcestamps[""].update(branch=change.branch, revision=change.revision)
        properties.update(change.properties)


def build_button(row: Scheduler, project: Project, forgets: bool) -> ForceScheduler:
    """Starts an evaluation by hand."""
    source = CodebaseParameter(
        "",
        label="Source",
        branch=StringParameter(name="branch", default=project.default_branch),
        revision=StringParameter(name="revision", default=""),
        repository=FixedParameter(name="repository", default=project.change_repository),
        project=FixedParameter(name="project", default=project.name),
    )
    properties: list[BaseParameter] = [
        BooleanParameter(
            name=FORCE_PROPERTY, label="Evaluate again even if nothing changed", default=False
        )
    ]
    if forgets:
        label = "Forget which builds of the project failed"
        properties.append(BooleanParameter(name=FORGET_PROPERTY, label=label, default=False))
    if project.repository is not None:
        properties.append(PullRequestParameter(project.name))
    return ForceScheduler(
        name=row.name,
        builderNames=[row.builder],
        label=f"Build {project.name}",
        buttonName="Build",
        codebases=[source],
        properties=properties,
    )


def upload_button(row: Uploader) -> ForceScheduler:
    """Uploads by hand."""
    source = CodebaseParameter(
        "",
        hide=True,
        branch=FixedParameter(name="branch", default=""),
        revision=FixedParameter(name="revision", default=""),
        repository=FixedParameter(name="repository", default=""),
        project=FixedParameter(name="project", default=""),
    )
    return ForceScheduler(
        name=row.force_scheduler,
        builderNames=[row.builder],
        buttonName="Upload now",
        codebases=[source],
    )


def reload_button(forge: ForgeKind) -> ForceScheduler:
    """Starts a look at a forge by hand."""
    return ForceScheduler(
        name=f"reload-{forge.word}-projects",
        builderNames=[f"reload-{forge.word}-projects"],
        label=f"Look for repositories of {forge.word} now",
        buttonName="Update projects",
        codebases=[
            CodebaseParameter(
                "", label="", branch=None, revision=None, repository=None, project=None
            )
        ],
    )
