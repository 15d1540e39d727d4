//! Stage `repo_config`.
