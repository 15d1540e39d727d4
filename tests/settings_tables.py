"""The tables of keys in the documentation, held against what the command knows: run as a program,
this writes their defaults anew, and tells which keys no table has."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.processes import BUILD, CHECKOUT

PAGES = [CHECKOUT / "docs" / name for name in ("configuration.md", "caches.md")]

#: Where the keys of a table stand, by the first cell of its head.
PREFIXES = {
    "key": [""],
    "key of `oidc`": ["oidc."],
    "key of `mapping`": ["oidc.mapping."],
    "key of a rule": ["branches.NAME."],
    "key of `pull_requests`": ["pull_requests."],
    "key of `github`": ["github."],
    "key of `gitea`": ["gitea."],
    "key of both": ["github.", "gitea."],
    "key of `filters`": ["github.filters.", "gitea.filters."],
    "key of `pull_based`": ["pull_based."],
    "key of a repository": ["pull_based.repositories.NAME."],
    "key of a project": ["projects.NAME."],
    "key of a step": ["post_build_steps[]."],
    "key of `retention`": ["retention."],
    "key of a cache": ["caches.NAME.", "attic.", "cachix.", "niks3."],
}

#: What keys with other keys below them take.
TABLES = ("a table of keys", "tables by name", "a list of tables")

Key = dict[str, Any]


@cache
def schema() -> dict[str, Key]:
    """All keys of the settings file by path, as the command lists them."""
    command = [BUILD / "bin" / "buildbot-nix", "list-settings", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {key["path"]: key for key in json.loads(done.stdout)}


@dataclass
class Row:
    """One row: keys that stand at the places ``prefixes``, and its other cells by column."""

    prefixes: list[str]
    names: list[str]
    cells: dict[str, str]

    def paths(self) -> list[str]:
        """The keys it tells of, where there are such."""
        every = [prefix + name for prefix in self.prefixes for name in self.names]
        return [path for path in every if path in schema()]

    def unknown(self) -> list[str]:
        """Names that no place has."""
        return [
            name
            for name in self.names
            if not any(prefix + name in schema() for prefix in self.prefixes)
        ]

    def default(self) -> str:
        """What its cell has to say; what it says, where the command does not know."""
        said = {shown(schema()[path]) for path in self.paths()}
        known = said.pop() if len(self.names) == 1 and len(said) == 1 else None
        return known or self.cells["default"]

    def text(self) -> str:
        """As it has to be."""
        names = ", ".join(f"`{name}`" for name in self.names)
        cells = [names, *(self.cells | {"default": self.default()}).values()]
        return f"| {' | '.join(cells)} |"


def shown(key: Key) -> str | None:
    """The default of a key, or none if that depends on something or is nothing."""
    default = key["default"]
    if key["required"]:
        return "required"
    if default in ([], {}):
        return "none"
    if default is None:
        return None
    if isinstance(default, list):
        return f"`[{', '.join(map(str, default))}]`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def cells(line: str) -> list[str]:
    """The cells of a row."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def tables(page: Path) -> Iterator[str | Row]:
    """The page, line by line, with rows of keys taken apart."""
    head: list[str] = []
    for line in page.read_text().splitlines():
        if not line.startswith("|"):
            head = []
            yield line
        elif not head:
            head = cells(line)
            yield line
        elif head[0] in PREFIXES and not line.startswith("|--"):
            first, *others = cells(line)
            names = re.findall("`([^`]+)`", first)
            yield Row(PREFIXES[head[0]], names, dict(zip(head[1:], others, strict=True)))
        else:
            yield line


def rows() -> Iterator[Row]:
    """All rows of keys in the pages."""
    for page in PAGES:
        yield from (line for line in tables(page) if isinstance(line, Row))


def undocumented() -> list[str]:
    """Keys that no row tells of. Those of tables have their rows instead."""
    told = {path for row in rows() for path in row.paths()}
    keys = {path for path, key in schema().items() if key["expected"] not in TABLES}
    return sorted(keys - told)


def render(page: Path) -> str:
    """The page as it has to be."""
    lines = [line.text() if isinstance(line, Row) else line for line in tables(page)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(render(page))
    for path in undocumented():
        print(f"no table has `{path}`")
