//! Evaluation by nix-eval-jobs, for one folder of attributes after the other.
//!
//! It reports what it finds as JSON lines, drops what is no derivation without a word, and gives
//! up altogether when one of its processes dies. So what it has left out is evaluated by Nix
//! itself afterwards.

mod line;
mod process;

pub(super) use process::{JobsCommand, evaluate};
