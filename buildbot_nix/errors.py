"""The exceptions of this package. Rust raises them; fields, not texts, decide what happens."""

from __future__ import annotations


class BuildbotNixError(Exception):
    """Base of all."""


class ConfigError(BuildbotNixError):
    """The settings are wrong. ``problems`` is a text that lists every one of them."""

    def __init__(self, problems: str) -> None:
        super().__init__(problems)
        self.problems = problems


class _HintedError(BuildbotNixError):
    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class EvalError(_HintedError):
    """An evaluation as a whole, not one attribute, failed."""


class MachineError(_HintedError):
    """It cannot be done on this machine: no Nix, a file cannot be read."""


class ProtocolError(BuildbotNixError):
    """The agent on a worker printed something that is no machine line."""

    def __init__(self, message: str, line_number: int, excerpt: str) -> None:
        super().__init__(message)
        self.line_number = line_number
        self.excerpt = excerpt


class StoppedError(BuildbotNixError):
    """Stopped by a signal or on request."""


class InternalError(BuildbotNixError):
    """A defect in buildbot-nix: the Rust side panicked."""
