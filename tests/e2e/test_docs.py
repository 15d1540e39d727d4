"""The documentation for users: its commands are run somewhere, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import settings_tables
from tests.processes import CHECKOUT

PAGES = sorted(
    [CHECKOUT / "README.md", CHECKOUT / "patches/README.md", *CHECKOUT.glob("docs/*.md")]
)

#: How a command begins, and the test that runs it, with a text there that shows it.
RUN = {
    "make demo": ("tests/e2e/test_oldest.py", "demo"),
    "buildbot-nix init": ("tests/instance.py", '"init"'),
    "~/venv/bin/buildbot-nix init": ("tests/e2e/test_wheel.py", '"init"'),
    "buildbot-nix check-config": ("src/cli/tests/settings_commands.rs", '"check-config"'),
    "buildbot-nix plan": ("src/cli/tests/settings_commands.rs", '"plan"'),
    "buildbot-nix list-settings": ("src/cli/tests/settings_commands.rs", '"list-settings"'),
    "buildbot-nix check ": ("src/cli/tests/check.rs", '"check"'),
    "buildbot-nix checkout": ("src/cli/tests/checkout.rs", '"checkout"'),
    "buildbot-nix eval": ("src/cli/tests/evaluation/mod.rs", '"eval"'),
    "buildbot-nix failures": ("tests/python/test_failures_command.py", '"purge"'),
    "buildbot-nix projects": ("tests/e2e/test_forge_clients.py", '"projects", "doctor"'),
    "buildbot-nix upload": ("src/cli/tests/upload.rs", '"upload"'),
    "buildbot upgrade-master": ("tests/e2e/test_start.py", "upgrade-master"),
    "buildbot start": ("tests/e2e/test_start.py", '"start"'),
    "buildbot reconfig": ("tests/e2e/test_flow.py", "reconfig"),
    "curl -H 'Content-Type: application/json'": ("tests/e2e/test_stopping.py", "forceschedulers"),
    "openssl req": ("tests/git_server.py", '"openssl", "req"'),
    "MASTER_URL=tls:": ("tests/worker.py", "MASTER_URL"),
    "WORKER_NAME=": ("tests/worker.py", "WORKER_NAME"),
    "python3 -m venv": ("tests/e2e/test_wheel.py", '"venv"'),
    "~/venv/bin/pip install": ("tests/e2e/test_wheel.py", '"install"'),
    "~/venv/bin/buildbot-nix apply-patches": ("tests/e2e/test_wheel.py", '"apply-patches"'),
    "maturin build": ("tests/e2e/test_wheel.py", "maturin"),
    "buildbot-nix-migrate": ("tests/nixos/vm/upgrade.nix", "buildbot-nix-migrate"),
}
#: Those that no test runs, and why.
NOT_RUN = {
    "make test": "it is what runs the tests",
    "git clone": "this repository has no address yet",
    "cat >": "a person pastes a secret",
    "cd ": "nothing to test",
    "chmod ": "nothing to test",
    "export PATH": "nothing to test",
    "mkdir ": "nothing to test",
    "mv ": "nothing to test",
    "openssl rand": "it is not ours",
    "pip install maturin": "it is in the lock",
    "buildbot copy-db": "it is Buildbot's",
    "systemd-run ": "needs a running systemd",
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
    for test, text in tests:
        assert text in (CHECKOUT / test).read_text(), f"{test} does not run `{command}`"


def test_nothing_is_said_of_commands_that_no_page_has() -> None:
    every = {command for _, command in commands()}
    starts = [*RUN, *NOT_RUN]
    unused = [start for start in starts if not any(one.startswith(start) for one in every)]
    assert unused == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_a_prompt(page: Path) -> None:
    """Or nobody looks whether they work."""
    hidden = []
    # Every other piece is a block with a language, whose commands have one.
    for line in "".join(page.read_text().split("```")[::2]).splitlines():
        word = re.match(r" {4}([\w~./-]+) ", line)
        if word and (shutil.which(word[1]) or word[1].startswith("buildbot")):
            hidden.append(line.strip())
    assert hidden == []


@cache
def help_of(*subcommand: str) -> str:
    """What the command says of one of its subcommands."""
    command = [sys.executable, "-m", "buildbot_nix", *subcommand, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def our_commands() -> Iterator[tuple[str, str]]:
    """Page and command line of all that call buildbot-nix, in blocks of code or between words."""
    ours = re.compile(r"(?:^ *\$ (?:\S*/)?|`)buildbot-nix ([a-z][a-z-]+(?: [^`\n]*)?)`?", re.M)
    for page in PAGES:
        for line in ours.findall(page.read_text()):
            yield str(page.relative_to(CHECKOUT)), line


@pytest.mark.parametrize("page, line", sorted(set(our_commands())))
def test_options_of_our_command_exist(page: str, line: str) -> None:
    words = shlex.split(line.split(" | ")[0], comments=True)
    options = [word for word in words if word.startswith("--")]
    subcommand = words[:2] if words[0] in ("failures", "projects") else words[:1]
    missing = [option for option in options if option not in help_of(*subcommand)]
    assert missing == [], f"{page}: `buildbot-nix {words[0]}` has no such option"


def test_tables_of_keys_have_no_key_that_is_none() -> None:
    assert [name for row in settings_tables.rows() for name in row.unknown()] == []


def test_every_key_is_in_a_table() -> None:
    assert settings_tables.undocumented() == []


@pytest.mark.parametrize("page", settings_tables.PAGES, ids=lambda page: page.name)
def test_tables_of_keys_have_the_defaults_of_the_program(page: Path) -> None:
    assert page.read_text() == settings_tables.render(page), "`make docs` writes them anew"


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
