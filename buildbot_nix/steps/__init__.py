"""Buildbot steps, one file a stage: gather properties, call native, set results."""
