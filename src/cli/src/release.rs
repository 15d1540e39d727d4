use buildbot_nix_core::run_roots::{RunFolders, RunName};

use crate::{Exit, output};

/// Let the garbage collector have what `eval --run` kept (what a worker runs last)
///
/// That nothing was kept is no error. Nothing is deleted from the store.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The run: what its master is called, `-`, and its number
    run: RunName,
    #[command(flatten)]
    place: PlaceArguments,
}

/// Where runs keep what they need.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArguments {
    /// Keep it in what Nix has for USER below gcroots/per-user; where that is not possible or no
    /// USER is given, in $XDG_STATE_HOME/buildbot-nix/runs or ~/.local/state/buildbot-nix/runs
    #[arg(long, value_name = "USER")]
    gc_roots_user: Option<String>,
}

impl PlaceArguments {
    pub(crate) fn folders(&self) -> RunFolders {
        RunFolders::of(self.gc_roots_user.as_deref())
    }
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match arguments.place.folders().release(&arguments.run) {
        Ok(()) => Exit::Success,
        Err(error) => output::fail(&error),
    }
}
