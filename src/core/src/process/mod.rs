//! Child processes: commands as values, how they are run and ended, and the wish to stop.
//!
//! Children stay in this process's group, but for sandboxes, which end with this process: a Buildbot
//! worker that stops a build signals the group.

mod capture;
mod child;
mod command;
mod environment;
mod leftovers;
mod memory;
mod spawner;
mod stop;
mod time;

pub use capture::{Captured, capture};
pub use child::{Child, Stream, describe_exit};
pub use command::{CommandSpec, quoted};
pub use environment::environment;
pub use leftovers::Leftovers;
pub use memory::{memory_at_most, memory_now};
pub use stop::{stop_requested, watch_stop_signals};
pub use time::own_time;
