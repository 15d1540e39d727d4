use thiserror::Error;

use crate::auth::Provider;

/// Characters of what others say that a message repeats.
const EXCERPT: usize = 200;

/// Why somebody is not logged in. For the person; nothing in it is secret.
#[derive(Debug, Error)]
pub enum LoginError {
    /// It was begun in another browser, long ago, or answered already.
    #[error(
        "this log-in was not begun in this browser, took too long, or is over already; please \
         begin once more"
    )]
    NotBegun,
    /// Nobody configured it.
    #[error("there is no log-in through {0} here")]
    NoProvider(Provider),
    /// It said no.
    #[error("{0} refused: {1}")]
    Refused(Provider, String),
    /// It could not be asked.
    #[error("{provider} could not be asked for {what}: {why}; try again later, or tell an admin")]
    Unavailable {
        /// Who.
        provider: Provider,
        /// What it was asked for.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
    /// It said something that does not count.
    #[error("what {provider} said does not count: {why}")]
    Invalid {
        /// Who.
        provider: Provider,
        /// What is wrong with it.
        why: String,
    },
    /// Something is wrong with the settings.
    #[error("{0}")]
    Settings(String),
    /// The machine has no random numbers.
    #[error("this machine gives no random numbers")]
    NoRandomness,
}

/// `text` in a line for people.
pub(super) fn excerpt(text: &str) -> String {
    let text: String = text.chars().take(EXCERPT).collect();
    text.escape_debug().to_string()
}
