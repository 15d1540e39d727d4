//! Stage `build`: one derivation in, an [`Outcome`](crate::machine_line::Outcome) and a readable
//! log out. Runs Nix, and evaluates nothing.
//!
//! Nix tells what it does as a stream of JSON lines (`--log-format internal-json`):
//!
//! | step | file | in → out |
//! |---|---|---|
//! | ask | `request`, `command` | request → command line |
//! | run | `child`, `leftovers` | command line → bytes, exit status; nothing stays behind |
//! | read | `lines`, `event` | bytes → lines → events |
//! | follow | `activities`, `tail` | events → who builds, what failed |
//! | show | `render`, `text`, `limited` | events → text within the log limit |
//! | judge | `store`, `verdict`, `reason`, `outcome` | counts, valid paths → outcome |
//!
//! `stream` ties the middle together, `realise` the whole. Only `child`, `store`, `derivation` and
//! `realise` touch the world.

mod activities;
mod child;
mod command;
mod derivation;
mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod limited;
mod lines;
mod log;
mod outcome;
mod realise;
mod reason;
mod render;
mod request;
mod store;
mod stream;
mod tail;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

pub use log::{Log, Plain, Progress};
pub use outcome::{listing, short, summary};
pub use realise::realise;
pub use request::Request;
pub use terminal::Terminal;
pub use text::clean;

pub(crate) use store::{invalid as invalid_paths, protect_paths};
