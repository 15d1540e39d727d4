"""What a benchmark says: rows of tables, and what was measured beside what is aimed at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Aim:
    """A number that is to be small enough."""

    what: str
    measured: float
    most: float
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.measured <= self.most


def row(cells: Iterable[Any]) -> str:
    """A row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def heading(titles: Iterable[str]) -> str:
    """The first two rows of a table, after an empty line."""
    titles = list(titles)
    return f"\n{row(titles)}\n{row('---' for _ in titles)}"


def verdicts(aims: Iterable[Aim]) -> Iterable[str]:
    """A table of all that is aimed at."""
    yield heading(["aimed at", "at most", "measured", ""])
    for aim in aims:
        numbers = (f"{number:.4g} {aim.unit}".rstrip() for number in (aim.most, aim.measured))
        yield row([aim.what, *numbers, "met" if aim.is_met else "**missed**"])
