//! `buildbot-nix failures`: only its place in the help. The database of a master is spoken to by the
//! Python that the master runs with, see `buildbot_nix/failures_command.py`.

use std::ffi::OsString;

use crate::{Exit, output};

/// List or forget builds that are not tried again because they failed. Where the master is installed
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// `list` or `purge`, and their options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let rest = arguments.rest.iter().map(|word| word.to_string_lossy());
    let rest: Vec<_> = rest.collect();
    output::warn(&format!(
        "error: `buildbot-nix failures` asks the master's database, which takes its Python\n  \
         hint: with the Python that the master runs with: `python3 -m buildbot_nix failures {}`\n",
        rest.join(" ")
    ));
    Exit::Usage
}
