"""Stage build: the agent builds one attribute."""

from __future__ import annotations

from buildbot.process.buildstep import BuildStep
from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_nix._native import BuildResult, OutcomeReader, Plan, Project
from buildbot_nix.agent import no_word, run_agent

#: Seconds that Buildbot waits longer than the agent before it ends a build itself.
GRACE_SECONDS = 120

RESULTS = {
    BuildResult.Succeeded: SUCCESS,
    BuildResult.Failed: FAILURE,
    # Nothing is known about the derivation, and somebody should look at the machine.
    BuildResult.Transient: EXCEPTION,
    BuildResult.Cancelled: CANCELLED,
}


class BuildAttribute(BuildStep):
    """Builds the derivation in the property ``drv_path``."""

    name = "Build flake attr"
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, plan: Plan, project: Project, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._plan = plan
        self._project = project
        self._message: str | None = None

    @async_to_deferred
    async def run(self) -> int:
        reader = OutcomeReader()
        drv_path = self.getProperty("drv_path")
        if not drv_path:
            self._message = "no derivation to build: start the evaluation, not this builder"
            return EXCEPTION
        command = self._plan.build_command(
            self._project.name,
            drv_path,
            self.getProperty("attr"),
            self.getProperty("branch"),
        )
        remote = await run_agent(
            self, command, reader.feed, max_time=self._plan.build_timeout + GRACE_SECONDS
        )
        if remote.output_error is not None:
            self._message = str(remote.output_error)
            return EXCEPTION
        for name, path in reader.outputs:
            self.setProperty(f"output.{name}", path, self.name)
        if reader.failed_drv is not None:
            self.setProperty("failed_drv", reader.failed_drv, self.name)
        self._message = reader.message
        if reader.result is None:
            if self._message is None:
                self._message = no_word("build", remote.rc)
            return EXCEPTION
        return RESULTS[reader.result]

    def getResultSummary(self) -> dict[str, str]:
        if self._message is None:
            return super().getResultSummary()
        return {"step": self._message, "build": self._message}
