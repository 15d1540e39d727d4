//! One error type for everything that can end a command, with what to do about it beside it.

use crate::auth::login::LoginError;
use crate::event::Refusal;
use crate::forge::ForgeError;
use crate::machine_line::ProtocolError;
use crate::secret::SecretFileError;

/// What went wrong, by whose fault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings file is wrong; every problem is listed.
    #[error("{0}")]
    Config(String),
    /// A file could not be read or written.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// Infinitive, e.g. `read`.
        action: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A whole evaluation, not one attribute, failed.
    #[error("{message}")]
    Eval {
        /// What was tried, on what, and what came of it.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Nix is missing, too old, or cannot run here.
    #[error("{message}")]
    Nix {
        /// What was tried, on what, and what came of it.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The Nix daemon went away; it may be back in a moment.
    #[error("the Nix daemon went away: {0}")]
    DaemonLost(String),
    /// A file with a secret that the settings name could not be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// The agent said something that is no machine line.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A forge did not do what it was asked.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// Somebody sent a webhook something that is refused.
    #[error(transparent)]
    Event(#[from] Refusal),
    /// Somebody could not be logged in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Stopped by a signal or on request.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// An error of file `path` while trying to `action` it.
    pub fn io(
        action: &'static str,
        path: impl AsRef<std::path::Path>,
        source: std::io::Error,
    ) -> Self {
        Self::Io {
            action,
            path: path.as_ref().display().to_string(),
            source,
        }
    }

    /// What to do about it, if that can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Eval { hint, .. } | Self::Nix { hint, .. } => hint.as_deref(),
            Self::Forge(error) => error.hint.as_deref(),
            Self::Config(_)
            | Self::Io { .. }
            | Self::Secret(_)
            | Self::Protocol(_)
            | Self::Event(_)
            | Self::Login(_)
            | Self::DaemonLost(_)
            | Self::Stopped => None,
        }
    }
}
