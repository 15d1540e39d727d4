"""Stage checkout: the agent gets what is to be evaluated."""

from __future__ import annotations

from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_nix._native import CheckoutReader, Plan, Project
from buildbot_nix.agent import no_word, run_agent, text_properties, was_killed
from buildbot_nix.continuation import find_continued, may_start_again
from buildbot_nix.errors import BuildbotNixError, StoppedError
from buildbot_nix.steps.credentials import WithCredentials

#: Seconds that Buildbot waits longer than the agent before it ends a checkout itself.
GRACE_SECONDS = 120

#: Where the worker has secrets while the agent runs: beside the folder of the build.
CREDENTIALS = "checkout-credentials"

#: Where properties of a build say that they come from that a checkout has set.
PROPERTY_SOURCE = "Git"

#: Exit statuses of the agent that are no success.
RESULTS = {
    # What was asked for is not there, or cannot be merged.
    1: FAILURE,
    # The network, the server, the machine. Nothing is known about the commit, but forges and
    # people are to be told so.
    3: FAILURE,
    4: CANCELLED,
}


class Checkout(WithCredentials):
    """Checks out the revision of the build; a pull request merged into its base branch."""

    name = "git"
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, plan: Plan, project: Project, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self._plan = plan
        self._project = project
        self._summary: str | None = None

    @async_to_deferred
    async def run(self) -> int:
        assert self.build is not None
        job_set = await find_continued(self.build)
        if job_set is not None:
            for name, value in job_set.properties.items():
                self.setProperty(name, value, PROPERTY_SOURCE)
            self._summary = "not needed: what was found is stored"
            return SKIPPED
        reader = CheckoutReader()
        project, properties = self._project.name, text_properties(self.build)
        secrets = self._plan.checkout_secrets(project, properties)
        command = self._plan.checkout_command(
            project, properties, f"../{CREDENTIALS}" if secrets else None
        )
        max_time = self._plan.checkout_timeout + GRACE_SECONDS
        try:
            remote = await self.with_credentials(
                CREDENTIALS,
                secrets,
                lambda: run_agent(self, command, reader.feed, max_time=max_time),
                is_hidden=self._plan.hides_secret,
            )
        except StoppedError as error:
            # The master stops, or has read other settings of forges: Buildbot does it again.
            self._summary = str(error)
            return RETRY
        except BuildbotNixError as error:
            # A forge that makes no token, a file that cannot be read.
            self._summary = str(error)
            return EXCEPTION
        if remote.output_error is not None:
            self._summary = str(remote.output_error)
            return EXCEPTION
        for name, value in reader.properties.items():
            self.setProperty(name, value, PROPERTY_SOURCE)
        self._summary = reader.summary
        if remote.rc == 0 and reader.properties:
            return SUCCESS
        if self._summary is None:
            self._summary = no_word("checkout", remote.rc)
            is_again = was_killed(remote) and not self.stopped and await may_start_again(self.build)
            return RETRY if is_again else EXCEPTION
        return EXCEPTION if remote.rc is None else RESULTS.get(remote.rc, EXCEPTION)

    def getResultSummary(self) -> dict[str, str]:
        if self._summary is None:
            return super().getResultSummary()
        if self.results in (SUCCESS, SKIPPED):
            return {"step": self._summary}
        return {"step": self._summary, "build": self._summary}
