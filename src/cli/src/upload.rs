use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::time::Duration;

use buildbot_nix_core::cache::{Queue, Target, UploadRequest, upload};
use buildbot_nix_core::error::Error;
use buildbot_nix_core::machine_line::{Line, Uploaded, encode};
use buildbot_nix_core::process::{stop_requested, watch_stop_signals};
use clap::ValueEnum;

use crate::release::PlaceArguments;
use crate::{Exit, output};

/// Upload what waits on this machine for a cache (what a worker runs after builds)
///
/// What the cache does not take goes on waiting.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the settings call the cache
    name: String,
    /// What and where it is: cachix=<cache>, attic=<server URL>/<cache>, niks3=<server URL> or
    /// store=<store URL>
    #[arg(long, value_name = "TARGET")]
    to: Target,
    /// Leave out what the results refer to
    #[arg(long)]
    no_closure: bool,
    /// Folder with secrets, see docs/caches.md
    #[arg(long, value_name = "DIR")]
    credentials: Option<PathBuf>,
    /// How often this has not gone to its end before; fewer paths go at once then
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    attempt: u32,
    /// Longest time for one call of the tool that uploads
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    #[command(flatten)]
    place: PlaceArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One machine line, see docs/machine-lines.md
    Json,
    /// One line
    Human,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match try_run(arguments) {
        Ok(uploaded) if uploaded.message.is_none() => Exit::Success,
        Ok(_) => Exit::Machine,
        Err(error) => output::fail(&error),
    }
}

fn try_run(arguments: &Arguments) -> Result<Uploaded, Error> {
    watch_stop_signals()?;
    let queue = Queue::of(&arguments.name, &arguments.place.folders());
    let request = UploadRequest {
        target: arguments.to.clone(),
        closure: !arguments.no_closure,
        secrets: arguments.credentials.clone(),
        attempt: arguments.attempt,
        timeout: Duration::from_secs(arguments.timeout),
    };
    let mut say = |text: &str| drop(stderr().write_all(text.as_bytes()));
    let done = upload(&queue, &request, &stop_requested, &mut say)?;
    let line = Uploaded {
        cache: arguments.name.clone(),
        uploaded: done.uploaded,
        waiting: done.waiting,
        dropped: done.dropped,
        message: done.message,
    };
    let mut out = stdout();
    let printed = match arguments.format {
        Format::Json => out.write_all(&encode(&Line::Uploaded(line.clone()))),
        Format::Human => writeln!(out, "{}", line.summary()),
    };
    printed
        .and_then(|()| out.flush())
        .map_err(|error| Error::io("write", "the result", error))?;
    Ok(line)
}
