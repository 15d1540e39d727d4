//! What an evaluator sees of the machine.
//!
//! Evaluators run code that anyone may have written, and have git and Nix's fetchers at hand. So
//! they run in bubblewrap where it works: with the store, a daemon, their checkout and the
//! programs they need, and without homes, other checkouts, secrets and the environment.
//!
//! [`View`] is that sandbox as data, without I/O; `host` finds out what to put into it, and
//! [`Sandbox`] makes the rest ready and tries it out.

mod credentials;
mod daemon;
mod environment;
mod host;
mod open;
mod trusted;
mod view;

pub(super) use credentials::Credentials;
pub use credentials::{ACCESS_TOKENS, NETRC};
pub(super) use open::Sandbox;
