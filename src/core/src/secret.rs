//! Stage `secret`.
