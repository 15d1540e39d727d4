//! Where the derivations of a run are kept from the garbage collector while it lasts.
//!
//! A run is an evaluation and the builds that come of it. Each has a folder of links on the machine
//! that evaluates ([`RunFolders`]), named after the master and the run ([`RunName`]). It goes when
//! the run ends; what a crash left behind goes when the next run on that machine begins.

mod folders;
mod name;

pub use folders::RunFolders;
pub use name::{BadRunName, RunName};
