"""Nix CI on Buildbot: the thin Python side of buildbot-nix."""
