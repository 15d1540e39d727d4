//! Evaluation by nix-eval-jobs, for one folder of attributes after the other.
//!
//! It reports what it finds as JSON lines, drops what is no derivation without a word, and gives
//! up altogether when one of its processes dies. So what it has left out is evaluated by Nix
//! itself afterwards.

mod line;
mod process;
mod said;

pub(super) use process::{JobsCommand, evaluate};

/// What one line of nix-eval-jobs says.
#[cfg(any(test, fuzzing))]
pub(super) fn parse_line(
    line: &[u8],
    prefix: &crate::nix::AttrPath,
    selection: &super::walk::Selection,
) -> Result<Vec<super::found::Found>, String> {
    line::parse(line, prefix, selection).map(|line| line.found)
}
