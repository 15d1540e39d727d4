mod words;

use std::path::PathBuf;

use buildbot_nix_core::config::Settings;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge::{Discovery, Examination, ForgeKind, Forges};
use buildbot_nix_core::plan::{LoadedPlan, SecretFiles};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::{Exit, output};

/// Show the projects that forges have, and what is wrong with them
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Doctor(Doctor),
}

/// Ask the forges which repositories are built, and why others are not
///
/// Changes nothing, neither there nor here. Repositories that are polled are listed too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix projects list ci/settings.yaml
  buildbot-nix projects list --format json | jq -r '.projects[].name'

Exit status: 0 listed, 2 problems in the settings, 3 a forge could not be asked")]
struct List {
    #[command(flatten)]
    common: Common,
}

/// Find out what is missing: permissions, scopes, webhooks, addresses
///
/// Asks the forges for each project which token reaches it, where its events go, how the newest one was
/// answered, and which status was reported last. Tells of everything that is missing what does not
/// work without it and what to do. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix projects doctor ci/settings.yaml
  buildbot-nix projects doctor --project team/site
  CREDENTIALS_DIRECTORY=/run/credentials/buildbot-master.service \\
    buildbot-nix projects doctor ci/settings.json

Exit status: 0 nothing is missing, 1 something is, 2 problems in the settings, 3 it cannot be done")]
struct Doctor {
    #[command(flatten)]
    common: Common,

    /// Look at this project only, `<owner>/<name>`; may be given several times
    #[arg(long, value_name = "NAME")]
    project: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The settings file, YAML or JSON
    #[arg(default_value = "settings.yaml")]
    file: PathBuf,

    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Show every request on stderr
    #[arg(long)]
    verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let ended = match &arguments.command {
        Command::List(arguments) => list(arguments),
        Command::Doctor(arguments) => doctor(arguments),
    };
    ended.unwrap_or_else(|error| output::fail(&error))
}

fn load(common: &Common) -> Result<(LoadedPlan, Forges), Error> {
    if common.verbose {
        crate::show_requests();
    }
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let loaded = LoadedPlan::load(&common.file, credentials, SecretFiles::Skip)?;
    let forges = Forges::new(loaded.settings(), loaded.places(), None);
    Ok((loaded, forges))
}

fn list(arguments: &List) -> Result<Exit, Error> {
    let (loaded, forges) = load(&arguments.common)?;
    let mut exit = Exit::Success;
    let mut found: Vec<(ForgeKind, Discovery)> = Vec::new();
    for kind in forges.kinds() {
        match forges.discover(kind) {
            Ok(discovery) => found.push((kind, discovery)),
            // The others may answer.
            Err(error) => exit = output::fail(&error),
        }
    }
    let said = match arguments.common.format {
        Format::Text => output::say(&words::list(loaded.settings(), &found)),
        Format::Json => print_json(&listed(loaded.settings(), &found)),
    };
    Ok(if said == Exit::Success { exit } else { said })
}

fn listed(settings: &Settings, found: &[(ForgeKind, Discovery)]) -> Value {
    let polled = settings.pull_based.repositories.values().map(|repository| {
        json!({
            "forge": null,
            "name": repository.name,
            "url": repository.url,
            "default_branch": repository.default_branch,
        })
    });
    let of_forges = found.iter().flat_map(|(kind, discovery)| {
        discovery.repositories.iter().map(move |repository| {
            json!({
                "forge": kind,
                "name": repository.full_name,
                "url": repository.html_url,
                "default_branch": repository.default_branch,
                "private": repository.private,
                "topics": repository.topics,
            })
        })
    });
    let left_out = found.iter().flat_map(|(kind, discovery)| {
        discovery
            .left_out
            .iter()
            .map(move |left| json!({"forge": kind, "name": left.full_name, "reason": left.reason}))
    });
    let notices = found.iter().flat_map(|(_, discovery)| &discovery.notices);
    json!({
        "projects": of_forges.chain(polled).collect::<Value>(),
        "left_out": left_out.collect::<Value>(),
        "notices": notices.collect::<Vec<_>>(),
    })
}

fn doctor(arguments: &Doctor) -> Result<Exit, Error> {
    let (_, forges) = load(&arguments.common)?;
    let kinds = forges.kinds();
    if kinds.is_empty() {
        return Err(Error::Config(
            "the settings name no forge: there is neither `github` nor `gitea`".to_owned(),
        ));
    }
    let wanted = &arguments.project;
    let mut examinations: Vec<Examination> = Vec::new();
    for kind in kinds {
        examinations.push(forges.examine(kind, |repository| {
            let name = repository.full_name.as_str();
            wanted.is_empty() || wanted.iter().any(|other| other.eq_ignore_ascii_case(name))
        })?);
    }
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|name| {
            let mut projects = examinations.iter().flat_map(|forge| &forge.projects);
            !projects.any(|project| project.full_name.eq_ignore_ascii_case(name))
        })
        .collect();
    let said = match arguments.common.format {
        Format::Text => output::say(&words::examinations(&examinations, &missing)),
        Format::Json => print_json(&json!({"forges": examinations, "not_found": missing})),
    };
    let is_ill = !missing.is_empty() || examinations.iter().any(Examination::has_problems);
    Ok(match said {
        Exit::Success if is_ill => Exit::Negative,
        other => other,
    })
}

fn print_json(value: &Value) -> Exit {
    output::say(&format!("{value:#}\n"))
}
