use buildbot_nix_core::plan::{render, render_json};

use crate::settings::SettingsFile;
use crate::{Exit, output};

/// Show what the master will set up for a settings file
///
/// Projects, workers, builders, schedulers, pollers and locks, with the names that they have in
/// Buildbot. Secrets are shown as the files they come from, never as what these contain.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix plan ci/settings.yaml
  buildbot-nix plan --json ci/settings.yaml | jq '.builders[].name'

Exit status: 0 shown, 2 problems in the settings, 3 a file cannot be read")]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: SettingsFile,

    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let loaded = match arguments.settings.load() {
        Ok(loaded) => loaded,
        Err(error) => return output::fail(&error),
    };
    if !arguments.json {
        return output::say(&render(loaded.plan()));
    }
    match render_json(loaded.plan()) {
        Ok(json) => output::say(&(json + "\n")),
        Err(error) => {
            output::warn(&format!("cannot write the plan as JSON: {error}\n"));
            Exit::Machine
        }
    }
}
