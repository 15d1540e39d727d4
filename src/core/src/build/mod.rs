//! Stage `build`: one derivation in, an [`Outcome`](crate::machine_line::Outcome) and a readable
//! log out. Runs Nix.
//!
//! | step | file |
//! |---|---|
//! | what is asked for | `request` |
//! | the whole course of a build | `realise` |

mod log;
mod realise;
mod request;

pub use log::{Log, Plain, Progress};
pub use realise::realise;
pub use request::{Request, Stop};
