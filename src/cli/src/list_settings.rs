use std::fmt::Write as _;

use buildbot_nix_core::config::{Key, keys};

use crate::{Exit, output};

/// List every key of a settings file, what it takes and its default
///
/// In a key, `NAME` stands for a name of your choice, and `[]` for each entry of a list. No default
/// is shown for keys without one, nor where it depends on other keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix list-settings | grep timeout
  buildbot-nix list-settings --json | jq -r '.[] | select(.required) | .path'

Exit status: 0 listed")]
pub(crate) struct Arguments {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let keys = keys();
    if !arguments.json {
        return output::say(&listed(&keys));
    }
    match serde_json::to_string_pretty(&keys) {
        Ok(json) => output::say(&(json + "\n")),
        Err(error) => {
            output::warn(&format!("cannot write the keys as JSON: {error}\n"));
            Exit::Machine
        }
    }
}

/// A line for each key.
fn listed(keys: &[Key]) -> String {
    let mut text = String::new();
    for key in keys {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}: {}", key.path, key.expected);
        let _ = match &key.default {
            _ if key.required => writeln!(text, "; required"),
            Some(default) => writeln!(text, "; default {default}"),
            None => writeln!(text),
        };
    }
    text
}
