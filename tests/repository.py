"""Git repositories for tests, and flakes to put into them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

#: The system of this machine, as Nix names it.
SYSTEM = f"{platform.machine()}-linux"
#: One that this machine is not.
OTHER_SYSTEM = "aarch64-darwin"

#: Marks everything that this run builds.
RUN = uuid4().hex

#: Nothing of the person who runs the tests, and the same everywhere.
IDENTITY = {
    "GIT_AUTHOR_NAME": "Alice",
    "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "Alice",
    "GIT_COMMITTER_EMAIL": "alice@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}

#: Shell functions for builders, who have a shell and no other program.
BUILDER_FUNCTIONS = """
# Waits without using the processor. There is no sleep in the build sandbox.
pause() { read -r -t "$1" _ < /dev/ptmx || true; }
"""

FLAKE = """{
  outputs = _: let
    system = "@system@";
    salt = "@salt@";
    # One derivation. Builders have nothing but a shell and its built-in commands.
    drv = name: script: extra: derivation ({
      inherit name system salt;
      builder = "/bin/sh";
      args = [ "-c" "${builtins.readFile ./functions.sh}\\n${script}" ];
    } // extra);
    # One that succeeds.
    ok = name: drv name "echo done > $out" {};
    # Takes long to evaluate: n million additions, and no memory to speak of.
    slow = n: let
      sum = builtins.foldl' (a: b: a + b);
      thousand = builtins.genList (i: i) 1000;
    in builtins.foldl' (a: _: sum a thousand) 0 (builtins.genList (i: i) (n * 1000));
  in {
    @outputs@
  };
}
"""


def flake(checks: str = "", *, outputs: str | None = None) -> dict[str, str]:
    """Files of a flake, from Nix text: attributes of ``checks.<system>``, or all outputs.

    Derivations are new in each repository, so that nothing is there yet; see
    :meth:`Repository.commit`.
    """
    if outputs is None:
        outputs = f"checks.${{system}} = rec {{\n{checks}\n}};"
    text = FLAKE.replace("@outputs@", outputs).replace("@system@", SYSTEM)
    return {"flake.nix": text, "functions.sh": BUILDER_FUNCTIONS}


@dataclass(frozen=True)
class Link:
    """A symbolic link in a repository."""

    target: str


class Repository:
    """A bare repository that is served, and a clone with which commits are made."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.salt = f"{RUN}-{uuid4().hex[:8]}"
        self.bare = folder / f"{name.replace('/', '_')}.git"
        self.clone = folder / "clones" / name.replace("/", "_")
        self.url = f"file://{self.bare}"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        self.clone.parent.mkdir(exist_ok=True)
        git(folder, "clone", "--quiet", str(self.bare), str(self.clone))
        # For a person who makes commits here.
        self.git("config", "user.name", IDENTITY["GIT_AUTHOR_NAME"])
        self.git("config", "user.email", IDENTITY["GIT_AUTHOR_EMAIL"])
        self.git("checkout", "--quiet", "-B", "main")

    def git(self, *arguments: str) -> str:
        """Runs git in the clone."""
        return git(self.clone, *arguments)

    def commit(
        self,
        files: Mapping[str, str | Link | None],
        *,
        branch: str = "main",
        start: str = "main",
        message: str = "Change something",
    ) -> str:
        """Writes files (``None`` removes one), commits, pushes; returns the new commit's hash.
        A branch that is not there yet begins at ``start``. ``@salt@`` in a text becomes
        :attr:`salt`."""
        begin = branch if self.has_branch(branch) else start
        at = [f"refs/remotes/origin/{begin}"] if self.has_branch(begin) else []
        self.git("checkout", "--quiet", "-B", branch, *at)
        for name, text in files.items():
            path = self.clone / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, Link):
                path.symlink_to(text.target)
            else:
                path.write_text(text.replace("@salt@", self.salt))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        self.git("push", "--quiet", "--force", "origin", branch)
        return self.git("rev-parse", "HEAD")

    def head(self, branch: str = "main") -> str:
        """The hash of the branch's newest commit."""
        return self.git("rev-parse", f"refs/remotes/origin/{branch}")

    def has_branch(self, branch: str) -> bool:
        """Whether the branch was pushed."""
        return bool(self.git("ls-remote", "origin", f"refs/heads/{branch}"))

    def delete_branch(self, branch: str) -> None:
        """Deletes a branch where others fetch it."""
        self.git("push", "--quiet", "origin", f":refs/heads/{branch}")

    def remove(self) -> None:
        """Takes it away, as a forge does that is down."""
        shutil.rmtree(self.bare)


def git(folder: Path, *arguments: str) -> str:
    """Runs git in ``folder``; returns what it prints."""
    process = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**_inherited(), **IDENTITY},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise AssertionError(f"git {' '.join(arguments)} in {folder}: {process.stderr}")
    return process.stdout.strip()


def _inherited() -> dict[str, str]:
    # A hook or a test runner may have set GIT_DIR and the like.
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
