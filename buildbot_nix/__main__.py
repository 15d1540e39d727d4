"""``buildbot-nix``, as the wheel installs it: the same command line as the native binary, and what
only the master's Python can do."""

from __future__ import annotations

import os
import sys

from buildbot_nix._native import run_command_line


def main() -> int:
    """Runs the command line of this process; returns its exit status."""
    # Whose packages `apply-patches` means.
    os.environ.setdefault("BUILDBOT_NIX_PYTHON", sys.executable)
    if sys.argv[1:2] == ["failures"]:
        from buildbot_nix import failures_command

        return failures_command.main(sys.argv[2:])
    return run_command_line(["buildbot-nix", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
