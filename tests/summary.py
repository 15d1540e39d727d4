"""Reading the summary of a run as it is shown to people: the HTML log of ``build flake``."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser

from tests.rest import Build


@dataclass
class Row:
    """What the summary says about one attribute."""

    attribute: str
    verdict: str
    reason: str
    url: str | None


def summary_rows(build: Build) -> dict[str, Row]:
    """The rows of an evaluation's summary by attribute, in the order of the page."""
    reader = _Reader()
    reader.feed(build.log("build flake", "summary"))
    return {row.attribute: row for row in reader.rows}


def verdicts(build: Build, system: str) -> dict[str, str]:
    """What became of each attribute of ``system``, without the system's name."""
    rows = summary_rows(build)
    return {name.removeprefix(f"{system}."): row.verdict for name, row in rows.items()}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._cells: list[str] | None = None
        self._url: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._cells, self._url = [], None
        elif tag == "td" and self._cells is not None:
            self._cells.append("")
        elif tag == "a" and self._url is None:
            self._url = dict(attrs).get("href")

    def handle_data(self, data: str) -> None:
        if self._cells:
            self._cells[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._cells is not None:
            name, verdict, reason = self._cells
            self.rows.append(Row(name, verdict, reason, self._url))
            self._cells = None
