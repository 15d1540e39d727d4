use std::fmt;
use std::time::Duration;

/// A call to a forge that gave nothing: what was tried, what came of it, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgeError {
    /// Decides what callers do.
    pub fault: Fault,
    /// The HTTP status that the forge answered with, if it did.
    pub status: Option<u16>,
    /// What was tried, completing "cannot …", e.g. ``list the hooks of `team/site` ``.
    pub doing: String,
    /// What the forge said, or what happened on the way to it. Never holds a secret.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Whose fault it is, and so whether it is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The token is missing, expired or may not do this: an admin has to act.
    Auth,
    /// There is no such thing, or the token may not know of it.
    NotFound,
    /// Too much was asked; the forge, or our own memory of its last answer, says until when.
    RateLimited(Duration),
    /// The forge could not be reached, broke down or said nonsense: worth another try later.
    Unavailable,
    /// The forge understood and said no: the same again would give the same.
    Refused,
}

impl ForgeError {
    pub(super) fn new(fault: Fault, doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            fault,
            status: None,
            doing: doing.into(),
            reason: reason.into(),
            hint: None,
        }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl fmt::Display for ForgeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot {}: {}", self.doing, self.reason)
    }
}

impl std::error::Error for ForgeError {}
