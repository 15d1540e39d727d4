"""Which Buildbot this works on. Imports nothing of Buildbot: with another one that could fail."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

#: The oldest that runs with a present Twisted, and the first of which nothing is known.
OLDEST, TOO_NEW = (4, 2), (5,)


def require_buildbot() -> None:
    """Ends the process with advice if Buildbot is missing, too old or too new."""
    wanted = f"Buildbot {OLDEST[0]}.{OLDEST[1]} or later, below {TOO_NEW[0]}"
    try:
        found = version("buildbot")
    except PackageNotFoundError:
        raise SystemExit(
            f"buildbot-nix needs {wanted}, and there is none: install `buildbot[bundle]` into "
            "the same environment"
        ) from None
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if not OLDEST <= numbers < TOO_NEW:
        raise SystemExit(
            f"buildbot-nix needs {wanted}, and here is {found}: "
            f"`pip install 'buildbot[bundle]~={OLDEST[0]}.{OLDEST[1]}'`"
        )
