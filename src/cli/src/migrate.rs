use std::ffi::OsString;
use std::process::Command;

use buildbot_nix_core::error::Error;

use crate::{Exit, apply_patches, output};

/// Take over what nix-community/buildbot-nix left in a master's database
///
/// Shows what it would do, and does it with --apply. Deletes nothing, and can be repeated. Runs where
/// the master is, in its Python.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix migrate ci/settings.yaml
  buildbot-nix migrate ci/settings.yaml --apply --home /var/lib/buildbot

Exit status: 0 done or shown, 3 the settings or the database cannot be read")]
pub(crate) struct Arguments {
    /// Settings file, and options of the migration; `-- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let python = apply_patches::own_python().unwrap_or_else(|| "python3".into());
    // In a process of its own: Buildbot's database is SQLAlchemy's.
    let status = Command::new(&python)
        .args(["-m", "buildbot_nix.predecessor"])
        .args(&arguments.arguments)
        .status();
    match status {
        Ok(status) if status.success() => Exit::Success,
        Ok(_) => Exit::Machine,
        Err(error) => output::fail(&Error::io("run", &python, error)),
    }
}
