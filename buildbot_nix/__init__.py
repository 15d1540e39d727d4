"""Nix CI on Buildbot: the thin Python side of buildbot-nix.

``buildbot.tac`` needs :func:`preflight`, ``master.cfg`` :func:`master_config`, or, if it has more
than this, :class:`NixConfigurator`; everything else is for Buildbot to call.
"""

from __future__ import annotations

from typing import Any

__all__ = ["BuildbotNixConfig", "NixConfigurator", "master_config", "preflight"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the command line needs neither Buildbot nor Twisted, and a worker
    # machine may have only the former.
    if name in __all__:
        from buildbot_nix.versions import require_buildbot

        require_buildbot()
    if name == "master_config":
        from buildbot_nix.configurator import master_config

        return master_config
    if name in ("BuildbotNixConfig", "NixConfigurator"):
        from buildbot_nix import extension

        return getattr(extension, name)
    if name == "preflight":
        from buildbot_nix.startup import preflight

        return preflight
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
