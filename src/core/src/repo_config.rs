//! `buildbot-nix.toml`: what a repository says about its own evaluation.

use crate::nix::AttrPath;

/// The name of the file in the root of a checkout.
pub const FILE_NAME: &str = "buildbot-nix.toml";

/// The settings of `buildbot-nix.toml` that matter for an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoConfig {
    /// Lock file, below [`RepoConfig::flake_dir`].
    pub lock_file: String,
    /// Attribute whose children are jobs.
    pub attribute: AttrPath,
    /// Folder of the flake below the root of the checkout.
    pub flake_dir: String,
}

impl Default for RepoConfig {
    fn default() -> Self {
        Self {
            lock_file: "flake.lock".to_owned(),
            attribute: AttrPath::new(["checks"]),
            flake_dir: ".".to_owned(),
        }
    }
}
