//! Stage `eval`: a flake's attribute → evaluator processes → machine lines.
//!
//! [`run`] evaluates what a [`Request`] asks for and hands every [`Event`] to the caller as soon
//! as it is known. It runs processes; what can be decided without one is decided in modules that
//! do no I/O.

mod attribute;
mod event;
mod request;
mod run;

pub use attribute::parse_attribute;
pub use event::{Event, Summary};
pub use request::{EngineChoice, Limits, Request, Source, host_system};
pub use run::run;
