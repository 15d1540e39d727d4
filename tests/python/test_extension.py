"""Flakes on a Buildbot that has builders of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from buildbot.config.errors import ConfigErrors
from buildbot.config.master import FileLoader

from buildbot_nix import BuildbotNixConfig, NixConfigurator

MASTER_CFG = """
from buildbot.plugins import *
from buildbot_nix import BuildbotNixConfig, NixConfigurator
c = BuildmasterConfig = {{
    "title": "Mine",
    "workers": [worker.LocalWorker("mine")],
    "builders": [
        util.BuilderConfig(name="mine", workernames=["mine"], factory=util.BuildFactory())
    ],
    "schedulers": [schedulers.Triggerable(name="mine", builderNames=["mine"])],
    "www": {{"port": 8011}},
    "configurators": [NixConfigurator(BuildbotNixConfig.load({settings!r}))],
}}
"""


def settings(folder: Path, **more: object) -> str:
    """A settings file."""
    file = folder / "settings.json"
    content = {
        "url": "http://localhost/",
        "build_systems": ["x86_64-linux"],
        "local_workers": 1,
        "pull_based": {
            "repositories": {
                "site": {"url": "https://git.example.org/site", "default_branch": "main"}
            }
        },
        **more,
    }
    file.write_text(json.dumps(content))
    return str(file)


def test_both_are_there_and_the_admin_s_own_words_count(tmp_path: Path) -> None:
    (tmp_path / "master.cfg").write_text(MASTER_CFG.format(settings=settings(tmp_path)))
    config = FileLoader(str(tmp_path), "master.cfg").loadConfig()
    assert {builder.name for builder in config.builders} >= {"mine", "site/nix-eval"}
    assert {worker.workername for worker in config.workers} == {"mine", "local-0"}
    assert (config.title, config.www["port"]) == ("Mine", 8011)
    assert config.buildbotURL == "http://localhost/"


def test_wrong_settings_are_told_as_buildbot_tells_its_own(tmp_path: Path) -> None:
    configurator = NixConfigurator(BuildbotNixConfig.load(settings(tmp_path, urk=1)))
    with pytest.raises(ConfigErrors, match="there is no such key"):
        configurator.configure({})
