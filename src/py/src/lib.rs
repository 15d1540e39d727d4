//! `buildbot_nix._native`: a table of contents of what Python may call.

/// The extension module.
#[pyo3::pymodule(gil_used = false)]
mod _native {}
