use std::io::Read as _;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::results::{Existing, forget, users_folder};
use buildbot_nix_core::run_roots::RunName;

use crate::{Exit, output};

/// Let go the results of branches and projects that are gone (what a worker runs now and then)
///
/// Reads JSON from stdin that says what there is: `projects`, and in it by the name of each project either
/// `only`, a list of its branches, or `allBut`, a list of some that are gone. Only what was kept for the same
/// master goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Any run of the master: what that is called, `-`, and a number
    run: RunName,
    /// Whose folder below gcroots/per-user
    #[arg(long, value_name = "USER")]
    gc_roots_user: String,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match try_run(arguments) {
        Ok(removed) => {
            output::warn(&format!("{removed} branches let go\n"));
            Exit::Success
        }
        Err(error) => output::fail(&error),
    }
}

fn try_run(arguments: &Arguments) -> Result<usize, Error> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Error::io("read", "stdin", error))?;
    let existing: Existing = serde_json::from_str(&text).map_err(|error| Error::Nix {
        message: format!("stdin does not say what there is: {error}"),
        hint: Some("see `buildbot-nix forget --help`".to_owned()),
    })?;
    let folder = users_folder(&arguments.gc_roots_user);
    forget(folder.as_ref(), &arguments.run, &existing)
}
