//! Stage `eval`.
