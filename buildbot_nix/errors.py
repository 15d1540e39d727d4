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


class EventError(BuildbotNixError):
    """Somebody sent a webhook something that is refused, with an HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ForgeError(_HintedError):
    """A forge did not do what it was asked. Its subclasses say what to do."""


class ForgeAuthError(ForgeError):
    """The token is missing, expired or may not do this: an admin has to act."""


class ForgeNotFoundError(ForgeError):
    """There is no such thing, or the token may not know of it."""


class ForgeRateLimitedError(ForgeError):
    """Too much was asked; worth another try in ``retry_after`` seconds."""

    def __init__(self, message: str, hint: str | None, retry_after: float) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class ForgeUnavailableError(ForgeError):
    """It could not be reached, broke down or said nonsense: worth another try later."""


class ForgeRefusedError(ForgeError):
    """It understood and said no: the same again would give the same."""


class LoginError(BuildbotNixError):
    """Somebody could not be logged in; the text is for them."""


class LoginUnavailableError(LoginError):
    """Their provider could not be asked: worth another try later."""


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
