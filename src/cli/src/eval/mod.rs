mod human;
mod isolation;
mod keeping;
mod machine;
mod table;
mod words;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::eval::{
    self, EngineChoice, Event, Limits, Memory, Request, Source, Summary, parse_attribute,
};
use buildbot_nix_core::nix::{AttrPath, System};
use buildbot_nix_core::process::watch_stop_signals;
use buildbot_nix_core::results::Listing;
use clap::ValueEnum;

use crate::{Exit, output};

const EXAMPLES: &str = "\
Examples:
  buildbot-nix eval                      what CI would build of the flake here
  buildbot-nix eval .#hydraJobs          the same of another attribute
  buildbot-nix eval --systems x86_64-linux,aarch64-linux github:NixOS/patchelf
  buildbot-nix eval --systems all        every system there is
  buildbot-nix eval --checkout . --format json
                                         what a worker runs: settings from buildbot-nix.toml,
                                         results as machine lines (docs/machine-lines.md)

The flake's `nixConfig` is ignored and its lock file is used as it is. Nix's experimental features
`nix-command` and `flakes` are switched on for the evaluation.";

/// Evaluate a flake's attribute and list what it contains
///
/// Every attribute below the evaluated one ends in a result: a derivation, or an error of its
/// own. Nothing is built, except what the evaluation itself imports.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES, args_override_self = true)]
pub(crate) struct Arguments {
    /// The flake, and the attribute whose children are to be built [default: .#checks]
    #[arg(value_name = "FLAKE[#ATTRIBUTE]", conflicts_with = "checkout")]
    flake: Option<String>,
    /// Evaluate the checkout in DIR as its buildbot-nix.toml says
    #[arg(long, value_name = "DIR")]
    checkout: Option<PathBuf>,
    /// Systems to evaluate, or `all` [default: this machine's]
    #[arg(long, value_name = "SYSTEM,…", value_parser = parse_systems)]
    systems: Option<Systems>,
    /// What evaluates
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    engine: Engine,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Number of evaluator processes [default: its part of the machine's cores and memory, at most 4]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Memory of one evaluator process: replaced above it, killed at half as much again
    #[arg(long, value_name = "MIB", default_value_t = Limits::default().memory)]
    max_memory: u64,
    /// Longest time for the whole evaluation
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Longest time for one attribute
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().attribute.as_secs())]
    attribute_timeout: u64,
    /// Longest time an evaluator may say nothing, also while it loads the flake
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().silence.as_secs())]
    max_silent: u64,
    /// Let errors have their whole stack trace
    #[arg(long)]
    show_trace: bool,
    #[command(flatten)]
    isolation: isolation::IsolationArguments,
    /// Folder with any of the files netrc, access-tokens, for private inputs. Sandboxed evaluators
    /// see them; it is removed at the end
    #[arg(long, value_name = "DIR")]
    credentials: Option<PathBuf>,
    /// Evaluate although the result for these files is known
    #[arg(long)]
    no_reuse: bool,
    /// Where results of checkouts are remembered [default: buildbot-nix/evaluations in the user's
    /// cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Use only results that were remembered with the same NAME
    #[arg(long, value_name = "NAME", default_value = "")]
    scope: String,
    /// What to call this evaluation when its result is used again, e.g. the address of its build
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    #[command(flatten)]
    keeping: keeping::KeepingArguments,
}

/// Wanted systems; empty means all. A type of its own because clap would take a list for an
/// option that can be given several times.
#[derive(Debug, Clone)]
struct Systems(Vec<System>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// nix-eval-jobs if it is there and works, else Nix
    Auto,
    /// Nix itself
    Nix,
    /// nix-eval-jobs
    NixEvalJobs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Machine lines on stdout, see docs/machine-lines.md
    Json,
    /// A table on a terminal, a list elsewhere
    Human,
}

/// Where the events of an evaluation go.
trait Printer {
    fn event(&mut self, event: Event) -> ControlFlow<()>;
    fn end(&mut self, result: &Result<Summary, Error>);
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let request = match arguments.request() {
        Ok(request) => request,
        Err(problem) => {
            output::warn(&format!("error: {problem}\n"));
            return Exit::Usage;
        }
    };
    if let Err(error) = watch_stop_signals() {
        return output::fail(&error);
    }
    let mut printer: Box<dyn Printer> = match arguments.format {
        Format::Json => Box::new(machine::Machine::new(std::io::stdout())),
        Format::Human => Box::new(human::Human::new()),
    };
    let mut listing = arguments.listing();
    let result = eval::run(&request, &mut |event| {
        list(&mut listing, &event);
        printer.event(event)
    });
    printer.end(&result);
    drop(printer);
    match result {
        Ok(Summary { failed: 0, .. }) => Exit::Success,
        Ok(_) => Exit::Negative,
        Err(error) => output::fail(&error),
    }
}

/// Without its list nothing is kept for longer than before, which is no reason to build nothing.
fn list(listing: &mut Option<Listing>, event: &Event) {
    if let (Some(listed), Event::Line(line)) = (&mut *listing, event)
        && let Err(error) = listed.add(line)
    {
        warn_of_listing(&error);
        *listing = None;
    }
}

fn warn_of_listing(error: &dyn std::fmt::Display) {
    output::warn(&format!(
        "warning: cannot list what is to be kept: {error}\n"
    ));
}

impl Arguments {
    fn listing(&self) -> Option<Listing> {
        self.keeping.listing().unwrap_or_else(|error| {
            warn_of_listing(&error);
            None
        })
    }

    fn request(&self) -> Result<Request, String> {
        let mut request = match (&self.checkout, &self.flake) {
            (Some(directory), _) => Request::checkout(directory),
            (None, Some(flake)) => reference(flake)?,
            (None, None) => reference(".")?,
        };
        if let Some(Systems(systems)) = &self.systems {
            request.systems.clone_from(systems);
        }
        request.engine = match self.engine {
            Engine::Auto => EngineChoice::Auto,
            Engine::Nix => EngineChoice::Nix,
            Engine::NixEvalJobs => EngineChoice::NixEvalJobs,
        };
        request.limits = Limits {
            workers: self.workers,
            memory: self.max_memory,
            total: self.timeout.map(Duration::from_secs),
            attribute: Duration::from_secs(self.attribute_timeout),
            silence: Duration::from_secs(self.max_silent),
        };
        request.isolation = self.isolation.isolation();
        request.credentials.clone_from(&self.credentials);
        request.show_trace = self.show_trace;
        request.keeping = self.keeping.keeping();
        request.memory = self.memory();
        Ok(request)
    }

    fn memory(&self) -> Option<Memory> {
        let default = || Some(cache_folder()?.join("buildbot-nix/evaluations"));
        Some(Memory {
            directory: self.cache_dir.clone().or_else(default)?,
            scope: self.scope.clone(),
            label: self.label.clone(),
            is_renewed: self.no_reuse,
        })
    }
}

/// The user's cache folder, if there is such.
fn cache_folder() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    let is_usable = |folder: &PathBuf| folder.is_absolute();
    folder("XDG_CACHE_HOME").filter(is_usable).or_else(|| {
        let home = folder("HOME").filter(is_usable)?;
        Some(home.join(".cache"))
    })
}

fn reference(flake: &str) -> Result<Request, String> {
    let (flake, attribute) = flake.split_once('#').unwrap_or((flake, ""));
    let attribute = match attribute {
        "" => AttrPath::new(["checks"]),
        text => parse_attribute(text).ok_or_else(|| {
            format!("`{text}` is no attribute such as `checks`; quote names that contain dots")
        })?,
    };
    let flake = if flake.is_empty() { "." } else { flake };
    Ok(Request::new(Source::Reference(flake.to_owned()), attribute))
}

fn parse_systems(text: &str) -> Result<Systems, String> {
    if text == "all" {
        return Ok(Systems(Vec::new()));
    }
    let systems: Result<Vec<System>, _> = text.split(',').map(|it| it.trim().parse()).collect();
    systems.map(Systems).map_err(|error| error.to_string())
}
