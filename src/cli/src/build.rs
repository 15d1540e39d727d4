use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::time::Duration;

use buildbot_nix_core::build::{Request, Terminal, listing, realise, summary};
use buildbot_nix_core::cache::Queue;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::machine_line::{BuildResult, Line, Outcome, encode};
use buildbot_nix_core::nix::DrvPath;
use buildbot_nix_core::process::{stop_requested, watch_stop_signals};
use clap::ValueEnum;

use crate::release::PlaceArguments;
use crate::{Exit, output};

/// Realise one derivation (what a worker runs for each attribute)
///
/// The log goes to stderr, the result to stdout. Nothing is evaluated.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The derivation, all of its outputs: /nix/store/….drv
    drv: DrvPath,
    /// Link that protects the output `out` from garbage collection; others get PATH^<output>, or
    /// PATH-<output> as Nix calls it where that is not below Nix's own folder of roots
    #[arg(long, value_name = "PATH")]
    gc_root: Option<PathBuf>,
    /// Cache to which the result is to be uploaded, as the settings call it; `upload` does that
    #[arg(long, value_name = "NAME")]
    upload_to: Vec<String>,
    #[command(flatten)]
    place: PlaceArguments,
    /// Longest time for the whole build, dependencies included
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Longest time that a builder may print nothing
    #[arg(long, value_name = "SECONDS")]
    max_silent: Option<u64>,
    /// Size of the log; the middle of a longer one is left out
    #[arg(long, value_name = "MIB", default_value_t = Request::LOG_LIMIT >> 20)]
    log_limit: u64,
    /// Let Nix print traces of its errors
    #[arg(long)]
    show_trace: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One machine line, see docs/machine-lines.md
    Json,
    /// One line and the paths of the outputs
    Human,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match try_run(arguments) {
        Ok(outcome) => exit(outcome.result),
        Err(error) => output::fail(&error),
    }
}

fn try_run(arguments: &Arguments) -> Result<Outcome, Error> {
    watch_stop_signals()?;
    let mut terminal = Terminal::new(stderr());
    let request = arguments.request(terminal.colour());
    let outcome = realise(&request, &stop_requested, &mut terminal)?;
    drop(terminal);
    arguments.queue(&outcome);
    print(arguments.format, &outcome).map_err(|error| Error::io("write", "the result", error))?;
    Ok(outcome)
}

fn print(format: Format, outcome: &Outcome) -> std::io::Result<()> {
    let summary = summary(outcome);
    let mut stdout = stdout();
    match format {
        Format::Json => {
            write!(stderr(), "{summary}\n{}", listing(outcome))?;
            stdout.write_all(&encode(&Line::Outcome(outcome.clone())))?;
        }
        Format::Human => {
            writeln!(stdout, "{summary}")?;
            for path in outcome.outputs.values() {
                writeln!(stdout, "{path}")?;
            }
        }
    }
    stdout.flush()
}

fn exit(result: BuildResult) -> Exit {
    match result {
        BuildResult::Succeeded => Exit::Success,
        BuildResult::Failed => Exit::Negative,
        BuildResult::Transient => Exit::Machine,
        BuildResult::Cancelled => Exit::Stopped,
    }
}

impl Arguments {
    /// Lets the result wait for its uploads. That this does not work is no reason to fail.
    fn queue(&self, outcome: &Outcome) {
        if outcome.result != BuildResult::Succeeded {
            return;
        }
        let folders = self.place.folders();
        for cache in &self.upload_to {
            let queued = Queue::of(cache, &folders).add(outcome.outputs.values());
            if let Err(error) = queued {
                output::warn(&format!(
                    "warning: it will not be uploaded to `{cache}`: {error}\n"
                ));
            }
        }
    }

    fn request(&self, colour: bool) -> Request {
        Request {
            gc_root: self.gc_root.clone(),
            timeout: self.timeout.map(Duration::from_secs),
            max_silent: self.max_silent.map(Duration::from_secs),
            log_limit: self.log_limit.saturating_mul(1 << 20),
            show_trace: self.show_trace,
            colour,
            ..Request::new(self.drv.clone())
        }
    }
}
