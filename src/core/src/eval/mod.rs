//! Stage `eval`: a flake's attribute → evaluator processes → machine lines.
//!
//! [`run`] evaluates what a [`Request`] asks for and hands every [`Event`] to the caller as soon
//! as it is known. It runs processes; what can be decided without one is decided in modules that
//! do no I/O.

mod assemble;
mod attribute;
mod breach;
mod budget;
mod collect;
mod daemon_lost;
mod drv;
mod edges;
mod engine;
mod eval_jobs;
mod event;
mod flake;
mod found;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod gather;
mod gc_roots;
mod lines;
mod log;
mod meter;
mod others;
mod places;
mod remember;
mod repl;
mod request;
mod run;
mod sandbox;
mod status;
mod text;
mod tools;
mod walk;
mod warnings;
mod words;

pub use attribute::parse_attribute;
pub use event::{Current, Event, Progress, Summary};
pub use request::{
    EngineChoice, Isolation, Keeping, Limits, Memory, Request, SandboxChoice, Source, host_system,
};
pub use run::run;
pub use sandbox::{ACCESS_TOKENS, NETRC};
