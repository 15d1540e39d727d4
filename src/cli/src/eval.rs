use crate::Exit;

/// Evaluate a flake's attribute and list what it contains
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> Exit {
    Exit::Machine
}
