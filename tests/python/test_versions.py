"""A Buildbot that cannot work is said in words."""

from __future__ import annotations

import importlib.metadata

import pytest

from buildbot_nix import versions


@pytest.mark.parametrize("version", ["4.2.0", "4.2.1", "4.3.0", "4.10.1", "4.3.0.dev12"])
def test_what_works_is_let_through(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "version", lambda _: version)
    versions.require_buildbot()


@pytest.mark.parametrize("version", ["3.11.9", "4.1.0", "5.0.0", "latest"])
def test_others_are_refused_with_advice(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "version", lambda _: version)
    with pytest.raises(SystemExit, match=rf"4\.2 or later, below 5, and here is {version}.*pip"):
        versions.require_buildbot()


def test_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", missing)
    with pytest.raises(SystemExit, match="there is none: install"):
        versions.require_buildbot()
