use std::path::PathBuf;
use std::time::Duration;

use super::{RefName, Revision};
use crate::config::GitUrl;

/// What is to be checked out, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The repository.
    pub url: GitUrl,
    /// Where the revision is expected. Also what is checked out if there is no revision.
    pub branch: RefName,
    /// The commit; `None` is the branch's tip.
    pub revision: Option<Revision>,
    /// The branch into whose tip the commit is merged.
    pub merge_into: Option<RefName>,
    /// The working tree.
    pub directory: PathBuf,
    /// Whether `directory` may be emptied although it is no checkout of ours.
    pub replace: bool,
    /// Whether submodules are checked out too.
    pub submodules: bool,
    /// Where this machine keeps its clones.
    pub cache_dir: PathBuf,
    /// Repositories for which the secrets are, too, if they are submodules.
    pub private_submodules: Vec<GitUrl>,
    /// A folder with secrets, which is removed at the end.
    pub credentials: Option<PathBuf>,
    /// For everything.
    pub timeout: Duration,
}

/// Where clones are kept if nobody says otherwise: below the user's cache folder.
pub fn default_cache_dir() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    variable("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|caches| caches.join("buildbot-nix/git"))
}
