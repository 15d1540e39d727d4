use crate::Exit;

/// Show what the master will set up for a settings file
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> Exit {
    Exit::Machine
}
