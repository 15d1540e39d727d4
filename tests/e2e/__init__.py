"""Whole flows on real parts: Buildbot, git, Nix, PostgreSQL, a browser."""
