//! Stage `run`.
