use std::ffi::OsString;

use buildbot_nix_core::post_build::run_after_build;
use buildbot_nix_core::process::{describe_exit, stop_requested, watch_stop_signals};

use crate::{Exit, output};

/// Run a command where links lead to what was built (what a worker runs after a build)
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A link to make, e.g. result-hello=/nix/store/…
    #[arg(long, value_name = "NAME=PATH", value_parser = link)]
    link: Vec<(String, String)>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

fn link(text: &str) -> Result<(String, String), String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=PATH")?;
    if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
        return Err("the name has to be that of a file".to_owned());
    }
    Ok((name.to_owned(), path.to_owned()))
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    let ran = watch_stop_signals().and_then(|()| {
        run_after_build(&arguments.link, arguments.command.clone(), &stop_requested)
    });
    match ran {
        Ok(status) if status.success() => Exit::Success,
        Ok(status) => {
            output::warn(&format!(
                "the command ended with {}\n",
                describe_exit(status)
            ));
            Exit::Negative
        }
        Err(error) => output::fail(&error),
    }
}
