//! Requests to one forge: bounded in number, time and size, repeated where that is safe, held back
//! where the forge asks for it, and remembered so that what did not change need not be sent again.
//!
//! Nothing here knows what a repository is.

mod api;
mod call;
mod client;
mod limit;
mod link;
mod memory;
mod pace;
mod reply;

pub(super) use api::{Api, Authority};
pub(super) use call::Call;
pub(super) use client::{Connection, Http};
pub(super) use memory::{Kept, Memory};
pub(super) use pace::Pace;
pub(super) use reply::Page;

/// What authorises a request.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// Whose limits and whose view of the forge it is about: answers and limits are kept by it.
    pub(super) scope: String,
    /// Value of the header `Authorization`; none for a stranger.
    pub(super) header: Option<crate::secret::Secret<String>>,
    /// What may be the reason if a call with it is refused.
    pub(super) advice: Option<String>,
}
