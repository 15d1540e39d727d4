"""How builds end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, SUCCESS, WARNINGS

from buildbot_nix._native import BuildResult, OutcomeReader
from buildbot_nix.agent import AgentCommand, no_word

#: How properties begin that have the paths of outputs.
OUTPUT = "output."

RESULTS = {
    BuildResult.Succeeded: SUCCESS,
    BuildResult.Failed: FAILURE,
    # Nothing is known about the derivation, and somebody should look at the machine.
    BuildResult.Transient: EXCEPTION,
    BuildResult.Cancelled: CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one build ended."""

    result: BuildResult
    #: For people, if it did not go well.
    message: str | None = None
    #: The derivation whose builder failed, this one or one that it needs.
    failed_drv: str | None = None
    #: Properties that the build gets.
    properties: dict[str, str] = field(default_factory=dict)
    #: Whether it may be different in a while.
    may_pass: bool = False
    #: Whether a limit ended it.
    exceeded: bool = False
    #: What was done, if it went well.
    text: str | None = None
    #: What went wrong afterwards and does not matter to those who need the result.
    warning: str | None = None

    @property
    def outputs(self) -> dict[str, str]:
        """Paths by name of output."""
        named = self.properties.items()
        return {n.removeprefix(OUTPUT): path for n, path in named if n.startswith(OUTPUT)}

    @property
    def fails_derivation(self) -> bool:
        """Whether nobody can build it, here and now; not if only what came after failed."""
        return self.result == BuildResult.Failed and self.failed_drv is not None

    @property
    def lasting_failure(self) -> str | None:
        """The derivation of which it is known for good that its builder fails."""
        return self.failed_drv if self.fails_derivation and not self.exceeded else None

    @classmethod
    def of(cls, reader: OutcomeReader, remote: AgentCommand) -> Verdict:
        """What the agent said, or why it said nothing."""
        if remote.output_error is not None:
            return cls(BuildResult.Transient, str(remote.output_error))
        if reader.result is None:
            message = reader.message or no_word("build", remote.rc)
            return cls(BuildResult.Transient, message)
        properties = {f"{OUTPUT}{name}": path for name, path in reader.outputs}
        if reader.failed_drv is not None:
            properties["failed_drv"] = reader.failed_drv
        went_well = reader.result == BuildResult.Succeeded
        return cls(
            result=reader.result,
            message=reader.message,
            failed_drv=reader.failed_drv,
            properties=properties,
            may_pass=reader.may_pass,
            exceeded=reader.exceeded,
            text=reader.text if went_well else None,
        )


@dataclass(frozen=True, slots=True)
class FailedBuild:
    """A build that was tried and did not work, of whichever run."""

    verdict: Verdict
    #: Its page.
    url: str

    def for_others(self) -> Verdict:
        """The verdict for who waited for it."""
        message = self.verdict.message or "failed"
        return replace(
            self.verdict, message=f"{message} (built for another evaluation: {self.url})"
        )


def ending(verdict: Verdict) -> tuple[int, str]:
    """One of Buildbot's results, and a line for people."""
    text = verdict.message or verdict.text or "build successful"
    if verdict.result == BuildResult.Succeeded and verdict.warning is not None:
        return WARNINGS, f"{text}; {verdict.warning}"
    return RESULTS[verdict.result], text
