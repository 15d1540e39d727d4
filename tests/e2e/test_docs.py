"""The documentation for users: its commands are run somewhere, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.processes import BUILD, CHECKOUT

PAGES = sorted(
    [CHECKOUT / "README.md", CHECKOUT / "patches/README.md", *CHECKOUT.glob("docs/*.md")]
)

#: How a command begins, and the test that runs it.
RUN = {
    "make demo": "tests/e2e/test_oldest.py",
    "buildbot-nix init": "tests/e2e/test_start.py",
    "~/venv/bin/buildbot-nix init": "tests/e2e/test_wheel.py",
    "buildbot-nix check-config": "src/cli/tests/settings_commands.rs",
    "buildbot-nix plan": "src/cli/tests/settings_commands.rs",
    "buildbot-nix check ": "src/cli/tests/check.rs",
    "buildbot upgrade-master": "tests/e2e/test_start.py",
    "buildbot start": "tests/e2e/test_start.py",
    "WORKER_NAME=": "tests/worker.py",
    "python3 -m venv": "tests/e2e/test_wheel.py",
    "~/venv/bin/pip install": "tests/e2e/test_wheel.py",
    "~/venv/bin/buildbot-nix apply-patches": "tests/e2e/test_wheel.py",
    "maturin build": "tests/e2e/test_wheel.py",
    "buildbot-nix-migrate": "tests/nixos/vm/upgrade.nix",
}
#: Those that no test runs, and why.
NOT_RUN = {
    "make test": "it is what runs the tests",
    "git clone": "this repository has no address yet",
    "cd ": "nothing to test",
    "export PATH": "nothing to test",
    "pip install maturin": "it is in the lock",
    "sudo ": "needs root and a running systemd; test_wheel.py has systemd check the units",
}
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def commands() -> Iterator[tuple[str, str]]:
    """Page and command of all that begins with `$` in the pages."""
    for page in PAGES:
        for line in page.read_text().splitlines():
            found = re.match(r"\s*\$ (.*?)(\s+#.*)?$", line)
            if found:
                yield str(page.relative_to(CHECKOUT)), found[1]


@pytest.mark.parametrize("page, command", sorted(set(commands())))
def test_commands_are_run_or_it_is_said_why_not(page: str, command: str) -> None:
    tests = [test for start, test in RUN.items() if command.startswith(start)]
    reasons = [why for start, why in NOT_RUN.items() if command.startswith(start)]
    assert tests or reasons, f"{page}: say in this file who runs `{command}`"
    assert all((CHECKOUT / test).exists() for test in tests)


@cache
def help_of(subcommand: str) -> str:
    """What the command says of one of its subcommands."""
    command = [BUILD / "bin" / "buildbot-nix", subcommand, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def our_commands() -> Iterator[tuple[str, str]]:
    """Page and command line of all that call buildbot-nix, in blocks of code."""
    for page in PAGES:
        for line in page.read_text().splitlines():
            found = re.match(r"(?: {4}|\$ )(?:\S*/)?buildbot-nix ([a-z][a-z-]+ .*)$", line)
            if found:
                yield str(page.relative_to(CHECKOUT)), found[1]


@pytest.mark.parametrize("page, line", sorted(set(our_commands())))
def test_options_of_our_command_exist(page: str, line: str) -> None:
    words = shlex.split(line.split(" | ")[0], comments=True)
    options = [word for word in words if word.startswith("--")]
    missing = [option for option in options if option not in help_of(words[0])]
    assert missing == [], f"{page}: `buildbot-nix {words[0]}` has no such option"


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for path, anchor in LINK.findall(page.read_text()):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}" if anchor else path)
    assert broken == []
