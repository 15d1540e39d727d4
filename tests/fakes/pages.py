"""Pages of a double for people: its repositories, and how their commits are."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tests.fakes.model import PullRequest, Repository, Status
from tests.fakes.server import Answer
from tests.fakes.stories import Stories

SIGNS = {
    "pending": "🟡",
    "success": "✅",
    "warning": "⚠️",
    "failure": "❌",
    "error": "❗",
}
PAGE = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>{title}</title>
<style>
  body {{ font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; }}
  code {{ color: #666; }}
  ul ul {{ list-style: none; padding-left: 1em; font-size: 14px; }}
</style>
<h1>{title}</h1>
<ul>{items}</ul>
"""
#: The picture of everybody.
AVATAR = b"""<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 64 64">
<rect width="64" height="64" fill="#fc6"/><circle cx="32" cy="24" r="12"/>
<path d="M8 64a24 24 0 0 1 48 0"/>
</svg>"""
#: Commits of a branch that are shown.
NEWEST = 20


def page(stories: Stories, path: str) -> Answer | None:
    """The page at ``path``; none if there is nothing."""
    if path.startswith("/avatars/"):
        return Answer(200, AVATAR, {"Content-Type": "image/svg+xml"})
    repository = stories.find_repository(path.strip("/"))
    if repository is not None:
        return _page(repository.full_name, _repository(stories, repository))
    if path == "/":
        shown = (
            f'<a href="{escape(each.full_name)}">{escape(each.full_name)}</a>'
            for each in stories.repositories.values()
        )
        return _page("Repositories", shown)
    return None


def _page(title: str, items: Iterable[str]) -> Answer:
    listed = "".join(f"<li>{item}</li>" for item in items)
    text = PAGE.format(title=escape(title), items=listed)
    return Answer(200, text.encode(), {"Content-Type": "text/html; charset=utf-8"})


def _repository(stories: Stories, repository: Repository) -> Iterable[str]:
    for pull in reversed(repository.pulls):
        yield _pull(pull) + _statuses(stories.statuses(repository, pull.head_sha))
    if repository.is_empty:
        return
    log = ("log", f"-{NEWEST}", "--format=%H %s", f"refs/heads/{repository.default_branch}")
    for line in repository.bare_git(*log).splitlines():
        sha, _, subject = line.partition(" ")
        shown = f"<code>{sha[:7]}</code> {escape(subject)}"
        yield shown + _statuses(stories.statuses(repository, sha))


def _pull(pull: PullRequest) -> str:
    state = "merged" if pull.merged else pull.state
    return f"#{pull.number} {escape(pull.title)} by {escape(pull.author.login)} ({state})"


def _statuses(statuses: dict[str, Status]) -> str:
    shown = (
        f"<li>{SIGNS.get(each.state, '')} {escape(context)}: "
        f'<a href="{escape(each.target_url)}">{escape(each.description)}</a></li>'
        for context, each in sorted(statuses.items())
    )
    return f"<ul>{''.join(shown)}</ul>"
