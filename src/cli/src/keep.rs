use std::path::PathBuf;

use buildbot_nix_core::cache::Queue;
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
    /// Cache to which is to be uploaded what was not kept before, as the settings call it
    #[arg(long, value_name = "NAME")]
    upload_to: Vec<String>,
    #[command(flatten)]
    place: PlaceArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let folders = arguments.place.folders();
    let caches = arguments.upload_to.iter();
    let queues: Vec<Queue> = caches.map(|cache| Queue::of(cache, &folders)).collect();
    match keep(&arguments.folder, &folders, &arguments.run, &queues) {
        Ok(kept) => {
            output::warn(&format!("{} kept, {} let go\n", kept.added, kept.removed));
            Exit::Success
        }
        Err(error) => output::fail(&error),
    }
}
