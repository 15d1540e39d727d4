"""``NixConfigurator``: flakes on a Buildbot that has a ``master.cfg`` of its own.

The predecessor's way, which goes on working:
``c["configurators"] = [NixConfigurator(BuildbotNixConfig.load("settings.json"))]``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from buildbot.configurators import ConfiguratorBase

from buildbot_nix.configurator import master_config


@dataclass(frozen=True)
class BuildbotNixConfig:
    """A settings file. It is read when Buildbot is configured."""

    path: str

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BuildbotNixConfig:
        """The one at ``path``."""
        return cls(os.fspath(path))


class NixConfigurator(ConfiguratorBase):
    """Adds what the settings say to a configuration; what that says itself stays."""

    def __init__(self, config: BuildbotNixConfig) -> None:
        super().__init__()
        self.settings = config.path

    def configure(self, config_dict: dict[str, Any]) -> None:
        """Raises ``ConfigErrors``, like :func:`master_config`."""
        super().configure(config_dict)
        merge(config_dict, master_config(self.settings))


def merge(present: dict[str, Any], added: dict[str, Any]) -> None:
    """Adds to lists, fills gaps in dictionaries and values, and overwrites nothing."""
    for key, value in added.items():
        if isinstance(value, list):
            present[key] = [*(present.get(key) or []), *value]
        elif isinstance(value, dict):
            merge(present.setdefault(key, {}), value)
        else:
            present.setdefault(key, value)
