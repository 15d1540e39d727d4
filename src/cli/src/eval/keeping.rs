use std::collections::BTreeSet;
use std::path::PathBuf;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::eval::Keeping;
use buildbot_nix_core::results::Listing;
use buildbot_nix_core::run_roots::RunName;

use crate::release::PlaceArguments;

/// How long derivations are kept from garbage collection.
#[derive(Debug, clap::Args)]
pub(super) struct KeepingArguments {
    /// Keep the derivations from garbage collection by links in DIR
    #[arg(long, value_name = "DIR", conflicts_with = "run")]
    gc_roots_dir: Option<PathBuf>,
    /// Keep the derivations from garbage collection until `buildbot-nix release RUN`
    #[arg(long, value_name = "RUN")]
    run: Option<RunName>,
    /// Numbers of runs that go on; release all others that RUN's master had before RUN
    #[arg(long, value_name = "N,…", requires = "run", value_parser = parse_numbers)]
    live_runs: Option<Numbers>,
    /// Leave a list of what was found for `buildbot-nix keep`
    #[arg(long, requires = "run")]
    list_results: bool,
    #[command(flatten)]
    place: PlaceArguments,
}

/// A type of its own because clap would take a set for an option that can be given several times.
#[derive(Debug, Clone)]
struct Numbers(BTreeSet<u64>);

impl KeepingArguments {
    pub(super) fn keeping(&self) -> Keeping {
        match (&self.gc_roots_dir, &self.run) {
            (Some(directory), _) => Keeping::Folder(directory.clone()),
            (None, Some(run)) => Keeping::Run {
                name: run.clone(),
                folders: self.place.folders(),
                live: self.live_runs.as_ref().map(|Numbers(live)| live.clone()),
            },
            (None, None) => Keeping::Nothing,
        }
    }

    /// The list that is to be left.
    pub(super) fn listing(&self) -> Result<Option<Listing>, Error> {
        let run = self.run.as_ref().filter(|_| self.list_results);
        run.map(|run| Listing::create(&self.place.folders(), run))
            .transpose()
    }
}

fn parse_numbers(text: &str) -> Result<Numbers, String> {
    let numbers = text.split(',').filter(|number| !number.is_empty());
    let numbers: Result<_, _> = numbers.map(str::parse).collect();
    let numbers = numbers.map_err(|error| format!("these are no numbers of runs: {error}"));
    numbers.map(Numbers)
}
