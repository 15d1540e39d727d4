use crate::Exit;

/// Write a settings file, master.cfg and buildbot.tac to start from
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> Exit {
    Exit::Machine
}
