//! Stage `graph`.
