use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::scratch::Scratch;
use super::{attic, cachix, niks3, store};
use crate::error::Error;
use crate::nix::StorePath;
use crate::process::CommandSpec;

/// What a cache is, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Target {
    /// A cache of cachix.org or of another server that `cachix` is set up for.
    Cachix {
        /// Its name there.
        cache: String,
    },
    /// A cache of an attic server.
    Attic {
        /// The server.
        server_url: String,
        /// Its name there.
        cache: String,
    },
    /// A niks3 server.
    Niks3 {
        /// The server.
        server_url: String,
    },
    /// Whatever `nix copy --to` takes.
    Store {
        /// URL of the store.
        url: String,
    },
}

/// A text that names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is none of `cachix=<cache>`, `attic=<server URL>/<cache>`, `niks3=<server URL>` and `store=<store URL>`"
)]
pub struct TargetError(String);

/// One kind of cache: the tool that uploads to it.
pub(super) trait Backend {
    /// The tool, as it is called on PATH.
    fn program(&self) -> &'static str;

    /// Whether it can leave out what the paths refer to.
    fn takes_single_paths(&self) -> bool;

    /// The call that uploads `paths`, with what they refer to if `closure`. No secret is in its
    /// arguments; files with them are made in `scratch`.
    fn push(
        &self,
        paths: &[StorePath],
        closure: bool,
        scratch: &Scratch,
    ) -> Result<CommandSpec, Error>;
}

impl Target {
    fn backend(&self) -> Box<dyn Backend + '_> {
        match self {
            Self::Cachix { cache } => Box::new(cachix::Cachix { cache }),
            Self::Attic { server_url, cache } => Box::new(attic::Attic { server_url, cache }),
            Self::Niks3 { server_url } => Box::new(niks3::Niks3 { server_url }),
            Self::Store { url } => Box::new(store::Store { url }),
        }
    }

    /// Whether results can go there without what they refer to.
    pub fn takes_single_paths(&self) -> bool {
        self.backend().takes_single_paths()
    }

    /// The tool that uploads, which has to be on PATH.
    pub fn program(&self) -> &'static str {
        self.backend().program()
    }

    pub(super) fn push(
        &self,
        paths: &[StorePath],
        closure: bool,
        scratch: &Scratch,
    ) -> Result<CommandSpec, Error> {
        self.backend().push(paths, closure, scratch)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Cachix { cache } => write!(formatter, "cachix={cache}"),
            Self::Attic { server_url, cache } => {
                let server = server_url.trim_end_matches('/');
                write!(formatter, "attic={server}/{cache}")
            }
            Self::Niks3 { server_url } => write!(formatter, "niks3={server_url}"),
            Self::Store { url } => write!(formatter, "store={url}"),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = || TargetError(text.to_owned());
        let (kind, rest) = text.split_once('=').ok_or_else(error)?;
        if rest.is_empty() || rest.starts_with('-') {
            return Err(error());
        }
        match kind {
            "cachix" => Ok(Self::Cachix {
                cache: rest.to_owned(),
            }),
            "attic" => {
                let (server, cache) = rest.rsplit_once('/').ok_or_else(error)?;
                if !server.contains("://") || cache.is_empty() {
                    return Err(error());
                }
                Ok(Self::Attic {
                    server_url: format!("{server}/"),
                    cache: cache.to_owned(),
                })
            }
            "niks3" => Ok(Self::Niks3 {
                server_url: rest.to_owned(),
            }),
            "store" => Ok(Self::Store {
                url: rest.to_owned(),
            }),
            _ => Err(error()),
        }
    }
}
