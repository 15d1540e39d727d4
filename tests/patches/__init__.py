"""The patches to Buildbot in ``patches/``."""
