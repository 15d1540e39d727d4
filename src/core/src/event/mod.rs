//! Stage: event. In: headers and body of a request to a webhook. Out: a verified [`Event`], and the
//! [`Decision`] about it: a change for Buildbot, what is cancelled, or why nothing happens.
//!
//! Pure: what only the forge knows, such as who its members are, is a question in the decision.
//! What a periodic look at the forge finds becomes an event too, so that there is one way in.

mod arrival;
mod change;
mod decide;
mod delivery;
mod found;
mod model;
mod parse;
mod payload;
mod signature;
mod trust;
mod words;

pub use arrival::{Arrival, Head};
pub use change::Change;
pub use decide::{Action, Build, Decision};
pub use delivery::{BODY_BYTES_MAX, Delivery, Refusal, receive};
pub use found::Found;
pub use model::{
    Author, Check, Comment, Commit, Event, PullRequest, PullRequestAction, PullRequestEvent, Push,
    RepositoryRef, Side,
};
pub use parse::Malformed;
pub use signature::SignatureError;
