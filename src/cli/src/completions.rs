use crate::Exit;

/// Print shell completions
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> Exit {
    Exit::Machine
}
