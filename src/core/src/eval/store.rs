//! Questions to the local store.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use crate::error::Error;
use crate::nix::StorePath;
use crate::process::{CommandSpec, capture};

/// Paths in one question: their names must fit into a command line.
const CHUNK: usize = 1000;
/// Time for one question.
const LIMIT: Duration = Duration::from_secs(120);

/// Which of `paths` are valid, by position.
pub(super) fn are_valid(paths: &[&StorePath]) -> Result<Vec<bool>, Error> {
    // What is not there is not valid: a flake whose outputs are all new costs no question.
    let mut valid: Vec<bool> = paths
        .iter()
        .map(|path| Path::new(path.as_str()).symlink_metadata().is_ok())
        .collect();
    let present: Vec<usize> = (0..paths.len())
        .filter(|index| valid.get(*index) == Some(&true))
        .collect();
    for chunk in present.chunks(CHUNK) {
        let names: Vec<&str> = chunk
            .iter()
            .filter_map(|index| paths.get(*index).map(|path| path.as_str()))
            .collect();
        let answer = invalid(&names)?;
        let invalid: HashSet<&str> = answer.lines().collect();
        for (index, name) in chunk.iter().zip(names) {
            if let Some(valid) = valid.get_mut(*index) {
                *valid = !invalid.contains(name);
            }
        }
    }
    Ok(valid)
}

/// Those of `paths` that are not valid, one a line.
fn invalid(paths: &[&str]) -> Result<String, Error> {
    let command = CommandSpec::new("nix-store")
        .args(["--check-validity", "--print-invalid"])
        .args(paths.iter().copied());
    let captured = capture(&command, b"", LIMIT)?;
    if captured.status.success() {
        Ok(String::from_utf8_lossy(&captured.stdout).into_owned())
    } else {
        let words = String::from_utf8_lossy(&captured.stderr);
        Err(Error::Nix {
            message: format!(
                "cannot ask the store which of {} paths are valid: {}",
                paths.len(),
                super::text::error_text(&super::text::clean(&words))
            ),
            hint: None,
        })
    }
}
