//! Stage `process`.
