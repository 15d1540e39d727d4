//! Stage `plan`.
