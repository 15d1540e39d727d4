mod session;
mod words;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use buildbot_nix_core::eval::Request;
use buildbot_nix_core::nix::System;
use buildbot_nix_core::process::watch_stop_signals;

use crate::{Exit, output};
use session::{Options, Session};

const EXAMPLES: &str = "\
Examples:
  buildbot-nix check                     what CI would run for the checkout here
  buildbot-nix check -L --jobs 4 ../other

The checkout's buildbot-nix.toml says what is evaluated, as in CI. What is in the store already is
not built again. Results are not protected from garbage collection. The whole log of a derivation
that failed is shown by `nix log`.";

/// Evaluate and build a local flake as CI would
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Root of the checkout
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Systems to build for [default: this machine's]
    #[arg(long, value_name = "SYSTEM,…", value_delimiter = ',')]
    systems: Vec<System>,
    /// Number of attributes that are built at once
    #[arg(short, long, value_name = "N", default_value = "2")]
    jobs: NonZeroUsize,
    /// Show what builders print
    #[arg(short = 'L', long)]
    print_build_logs: bool,
    /// Stop at the first failure
    #[arg(long)]
    fail_fast: bool,
    /// Longest time for one attribute's build, dependencies included
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Longest time that a builder may print nothing
    #[arg(long, value_name = "SECONDS")]
    max_silent: Option<u64>,
    /// Let errors have their whole stack trace
    #[arg(long)]
    show_trace: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    if let Err(error) = watch_stop_signals() {
        return output::fail(&error);
    }
    let mut request = Request::checkout(&arguments.directory);
    request.show_trace = arguments.show_trace;
    if !arguments.systems.is_empty() {
        request.systems.clone_from(&arguments.systems);
    }
    let session = Session::new(Options {
        print_build_logs: arguments.print_build_logs,
        fail_fast: arguments.fail_fast,
        timeout: arguments.timeout.map(Duration::from_secs),
        max_silent: arguments.max_silent.map(Duration::from_secs),
        show_trace: arguments.show_trace,
    });
    let run = session.drive(&request, arguments.jobs);
    words::print_report(&run);
    words::exit(&run)
}
