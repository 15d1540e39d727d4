"""What git knows about commits, as both forges show it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes.model import NO_COMMIT, Repository


@dataclass
class Commit:
    """A commit."""

    sha: str
    tree: str
    parents: list[str]
    name: str
    email: str
    date: str
    message: str


def commit_details(repository: Repository, sha: str) -> Commit:
    """What git says about a commit."""
    text = repository.bare_git("show", "-s", "--format=%T%n%P%n%an%n%ae%n%aI%n%B", sha)
    tree, parents, name, email, date, message = text.split("\n", 5)
    return Commit(sha, tree, parents.split(), name, email, date, message.strip())


def changed_files(repository: Repository, sha: str) -> dict[str, list[str]]:
    """Files that a commit changed, as pushes name them."""
    arguments = ["--root", "--no-commit-id", "--name-status", "--no-renames", "-r", "-m", sha]
    found: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    for line in repository.bare_git("diff-tree", *arguments).splitlines():
        letter, _, path = line.partition("\t")
        found[{"A": "added", "D": "removed"}.get(letter, "modified")].append(path)
    return found


def new_commits(repository: Repository, before: str, after: str) -> list[str]:
    """Commits that a push has brought, first to last."""
    since = [after, f"^{before}"] if before != NO_COMMIT else ["-1", after]
    return repository.bare_git("rev-list", "--reverse", "--max-count=20", *since).split()


def is_ancestor(repository: Repository, old: str, new: str) -> bool:
    """Whether a branch went forward from one to the other."""
    return repository.bare_git("merge-base", old, new) == old
