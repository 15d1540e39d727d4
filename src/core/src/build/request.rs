use std::path::PathBuf;
use std::time::Duration;

use crate::nix::DrvPath;

/// What to build, and within which limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The derivation; all its outputs are wanted.
    pub drv_path: DrvPath,
    /// Symbolic link that protects the output `out` from garbage collection. Other outputs get
    /// one beside it, see [`crate::results`].
    pub gc_root: Option<PathBuf>,
    /// Wall time for the whole build, dependencies included.
    pub timeout: Option<Duration>,
    /// Longest time a builder may print nothing.
    pub max_silent: Option<Duration>,
    /// Bytes of log text; what is more is left out of its middle.
    pub log_limit: u64,
    /// Let Nix print traces of its errors.
    pub show_trace: bool,
    /// Whether the log may contain colours.
    pub colour: bool,
}

impl Request {
    /// [`Request::log_limit`] if nobody says otherwise.
    pub const LOG_LIMIT: u64 = 64 << 20;

    /// A plain build of `drv_path` without time limits.
    pub fn new(drv_path: DrvPath) -> Self {
        Self {
            drv_path,
            gc_root: None,
            timeout: None,
            max_silent: None,
            log_limit: Self::LOG_LIMIT,
            show_trace: false,
            colour: false,
        }
    }
}
