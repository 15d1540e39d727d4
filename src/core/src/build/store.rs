//! Questions to the store, each one short process.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use super::command::{add_root, add_roots, print_invalid};
use super::text::clean;
use crate::nix::DrvPath;
use crate::process::{CommandSpec, capture, describe_exit};

/// Paths in one command line.
const BATCH: usize = 1000;
/// A store that does not answer a question about validity within this time is out of order.
const PATIENCE: Duration = Duration::from_secs(60);

/// Those of `paths` that the store does not have. `None`: it did not say.
pub(crate) fn invalid(paths: &[&str]) -> Option<HashSet<String>> {
    let mut invalid = HashSet::new();
    for batch in paths.chunks(BATCH) {
        let stdout = ask(&print_invalid(batch.iter().copied())).ok()?;
        invalid.extend(stdout.lines().map(str::to_owned));
    }
    Some(invalid)
}

/// Protects all outputs of `drv`, which have to be there.
pub(super) fn protect(drv: &DrvPath, gc_root: &Path) -> Result<(), String> {
    make_parent(gc_root)?;
    ask(&add_root(drv, gc_root)).map(drop)
}

/// Protects `paths`, which have to be there, by links that begin with `link`.
pub(crate) fn protect_paths(paths: &[&str], link: &Path) -> Result<(), String> {
    for (number, batch) in paths.chunks(BATCH).enumerate() {
        let mut link = link.as_os_str().to_owned();
        link.push(format!(".{number}"));
        ask(&add_roots(batch, Path::new(&link)))?;
    }
    Ok(())
}

/// Creates the folder that a gc root will be in.
pub(super) fn make_parent(gc_root: &Path) -> Result<(), String> {
    let parent = gc_root.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent)
        .map_err(|error| format!("cannot create `{}`: {error}", parent.display()))
}

/// What `command` prints, or why it did not work.
fn ask(command: &CommandSpec) -> Result<String, String> {
    let answer = capture(command, b"", PATIENCE).map_err(|error| error.to_string())?;
    if answer.status.success() {
        return Ok(String::from_utf8_lossy(&answer.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&answer.stderr);
    let error = clean(&error, false);
    let error = error.trim().trim_start_matches("error:").trim();
    Err(if error.is_empty() {
        let program = command.program().display();
        format!("`{program}` ended with {}", describe_exit(answer.status))
    } else {
        error.to_owned()
    })
}
