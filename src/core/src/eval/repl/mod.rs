//! Evaluation with nothing but Nix: processes of `nix repl` that are asked for attribute after
//! attribute. What one has evaluated it keeps; what ends one ends one attribute.
//!
//! | step | file |
//! |---|---|
//! | what is typed | `request` |
//! | what comes back | `reply` |
//! | one process | `process`, `session`, `end` |
//! | several of them | `queue`, `worker`, `pace`, `engine` |

mod end;
mod engine;
mod pace;
mod process;
mod queue;
mod reply;
mod request;
mod session;
mod setup;
mod worker;

pub(super) use engine::open;
pub(super) use setup::Setup;

/// Reads one line of a repl.
#[cfg(any(test, fuzzing))]
pub(super) fn parse_reply(nonce: &str, line: &[u8]) {
    let _ = reply::parse(nonce, line);
}
