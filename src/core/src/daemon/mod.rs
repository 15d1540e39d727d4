//! A small client of Nix's worker protocol, for questions that concern many paths at once.
//!
//! [`Client`] talks to the daemon's socket where there is one, else to a `nix-daemon --stdio` of
//! its own, so that there is one way to ask, with or without a daemon. Whatever is on the other
//! side may be of another version, broken or malicious: every answer is bounded in bytes and in
//! time, and nothing is reserved for what was only announced. `wire`, `message` and `connection`
//! work on any stream and are tested on bytes; `transport` is the only module with I/O.

mod client;
mod connection;
mod endpoint;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod message;
#[cfg(test)]
mod tests;
mod transport;
mod wire;

pub use client::{Client, Closer};
pub use connection::{Missing, Wanted};
pub use error::DaemonError;
