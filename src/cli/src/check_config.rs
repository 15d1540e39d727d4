use std::fmt::Write as _;

use buildbot_nix_core::plan::MasterPlan;

use crate::settings::SettingsFile;
use crate::{Exit, output};

/// Check a settings file and list every problem in it
///
/// Reads the workers file that the settings name as well, and no other secret. Prints `ok` with a
/// summary when the master can start from it. Projects that would be left out or renamed are
/// told, and are no problem.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix check-config ci/settings.yaml
  buildbot-nix check-config --without-secrets settings.json

Exit status: 0 no problem, 2 problems, 3 a file cannot be read")]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: SettingsFile,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match arguments.settings.load() {
        Ok(loaded) => output::say(&summary(loaded.plan())),
        Err(error) => output::fail(&error),
    }
}

fn summary(plan: &MasterPlan) -> String {
    let count = |number: usize, thing: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!("{number} {thing}{plural}")
    };
    let mut text = format!(
        "ok: {}, {}, {}, {}\n",
        count(plan.projects.len(), "project"),
        count(plan.builders.len(), "builder"),
        count(plan.workers.len(), "worker"),
        count(plan.systems.len(), "system"),
    );
    for notice in &plan.notices {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "note: {}: {}", notice.about, notice.text);
    }
    text
}
