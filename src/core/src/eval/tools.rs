//! Which evaluators this machine has.

use std::time::Duration;

use super::sandbox::Sandbox;
use super::text;
use crate::error::Error;
use crate::process::{Captured, CommandSpec, capture, describe_exit};

/// The oldest Nix whose repl does what [`super::repl`] relies on.
const OLDEST: (u64, u64) = (2, 18);
/// Time for a program to say its version.
const LIMIT: Duration = Duration::from_secs(60);

/// The version of the `nix` on PATH, e.g. `2.26.3`.
pub(super) fn nix_version() -> Result<String, Error> {
    let captured = version_of("nix").map_err(|error| match error {
        Error::Io { source, .. } => missing(&format!("cannot run `nix`: {source}")),
        error => error,
    })?;
    if !captured.status.success() {
        let how = describe_exit(captured.status);
        return Err(missing(&format!("`nix --version` ended with {how}")));
    }
    let version = last_word(&captured);
    match numbers(&version) {
        Some(numbers) if numbers < OLDEST => Err(missing(&format!(
            "Nix is version {version}, but at least {}.{} is needed",
            OLDEST.0, OLDEST.1
        ))),
        // A version that cannot be understood is more likely new than old.
        _ => Ok(version),
    }
}

/// The version of the nix-eval-jobs on PATH, if it runs where evaluators do; else why not.
pub(super) fn eval_jobs_version(sandbox: &Sandbox) -> Result<String, String> {
    let ask = |option: &str| {
        let command = CommandSpec::new("nix-eval-jobs").args([option]);
        capture(&sandbox.command(command), b"", LIMIT).map_err(|error| error.to_string())
    };
    let captured = ask("--version")?;
    if captured.status.success() {
        return Ok(last_word(&captured));
    }
    // Older ones know no `--version`.
    let captured = ask("--help")?;
    if captured.status.success() {
        return Ok("unknown".to_owned());
    }
    let words = text::clean(&String::from_utf8_lossy(&captured.stderr));
    let last = words.lines().next_back().unwrap_or("without a word");
    let how = describe_exit(captured.status);
    Err(format!("`nix-eval-jobs --help` ended with {how}: {last}"))
}

/// Whether somebody has installed nix-eval-jobs, working or not.
pub(super) fn has_eval_jobs() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("nix-eval-jobs").is_file())
}

fn version_of(program: &str) -> Result<Captured, Error> {
    capture(&CommandSpec::new(program).args(["--version"]), b"", LIMIT)
}

fn missing(message: &str) -> Error {
    Error::Nix {
        message: message.to_owned(),
        hint: Some("install a recent Nix and put it on PATH".to_owned()),
    }
}

/// `2.26.3` of `nix (Nix) 2.26.3`.
pub(super) fn last_word(captured: &Captured) -> String {
    let text = String::from_utf8_lossy(&captured.stdout);
    let first = text.lines().next().unwrap_or_default();
    let word = first.split_ascii_whitespace().last().unwrap_or("unknown");
    word.to_owned()
}

/// Major and minor number.
fn numbers(version: &str) -> Option<(u64, u64)> {
    let (major, rest) = version.split_once('.')?;
    let end = rest.find(|character: char| !character.is_ascii_digit());
    let minor = rest.get(..end.unwrap_or(rest.len()))?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, expected) in [
            ("2.26.3", Some((2, 26))),
            ("2.9", Some((2, 9))),
            ("2.93.0-pre20250101_abc", Some((2, 93))),
            ("2.19pre2023", Some((2, 19))),
            ("unknown", None),
        ] {
            assert_eq!(numbers(version), expected, "{version}");
        }
        assert!(numbers("2.9") < Some(OLDEST));
    }
}
