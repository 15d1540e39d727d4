use std::path::PathBuf;

use buildbot_nix_core::results::keep;
use buildbot_nix_core::run_roots::RunName;

use crate::release::PlaceArguments;
use crate::{Exit, output};

/// Keep what `eval --run --list-results` found and is in the store (what a worker runs after a run)
///
/// Links of attributes that are gone are removed. Nothing is built, fetched or deleted from the
/// store.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The run: what its master is called, `-`, and its number
    run: RunName,
    /// The branch's folder of links, below Nix's folder of gc roots
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    place: PlaceArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match keep(
        &arguments.folder,
        &arguments.place.folders(),
        &arguments.run,
    ) {
        Ok(kept) => {
            output::warn(&format!("{} kept, {} let go\n", kept.added, kept.removed));
            Exit::Success
        }
        Err(error) => output::fail(&error),
    }
}
