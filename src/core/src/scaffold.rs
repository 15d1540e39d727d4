//! Stage `scaffold`.
