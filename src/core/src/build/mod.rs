//! Stage `build`.
