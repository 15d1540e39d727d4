use crate::Exit;

/// Realise one derivation (what a worker runs for each attribute)
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> Exit {
    Exit::Machine
}
