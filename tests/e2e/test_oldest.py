"""The oldest Buildbot that is supported, in the environment that ``.ci/setup-oldest`` made."""

from __future__ import annotations

import os
import re
import subprocess

from buildbot_nix.versions import OLDEST
from tests.processes import BUILD, CHECKOUT

FOLDER = BUILD / "oldest"


def test_it_evaluates_and_builds() -> None:
    python = FOLDER / "venv" / "bin" / "python"
    program = "import buildbot; print(buildbot.version)"
    said = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("{}.{}.0".format(*OLDEST)), said.stdout
    found = subprocess.run(
        [python, "-m", "tests.demo", "--check"],
        cwd=CHECKOUT,
        env={**os.environ, "BUILDBOT_NIX_BUILD": str(FOLDER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search("everything is as it should be", found.stdout)
