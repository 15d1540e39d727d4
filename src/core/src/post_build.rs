//! Stage `build`, after it: a command of the administrator, in a folder of its own where
//! `result-<attribute>` leads to what was built.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::process::ExitStatus;
use std::time::Duration;

use crate::error::Error;
use crate::process::{Child, CommandSpec, Stream};

/// How often the wish to stop is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Runs `command` with links in the current folder, which is removed afterwards. Its environment is
/// that of this process, its output too.
pub fn run_after_build(
    links: &[(String, String)],
    command: Vec<OsString>,
    stop: &dyn Fn() -> bool,
) -> Result<ExitStatus, Error> {
    let folder = tempfile::Builder::new()
        .prefix("buildbot-nix-post-build-")
        .tempdir()
        .map_err(|error| Error::io("make a folder in", std::env::temp_dir(), error))?;
    for (name, target) in links {
        let link = folder.path().join(name);
        symlink(target, &link).map_err(|error| Error::io("make the link", &link, error))?;
    }
    let command = CommandSpec {
        argv: command,
        environment: std::env::vars_os().collect(),
        directory: Some(folder.path().to_owned()),
        is_sandboxed: false,
    };
    let mut child = Child::spawn(
        &command,
        [Stream::Null, Stream::Inherited, Stream::Inherited],
    )?;
    loop {
        if let Some(status) = child.wait(TICK) {
            return Ok(status);
        }
        if stop() {
            child.terminate();
            return Err(Error::Stopped);
        }
    }
}
