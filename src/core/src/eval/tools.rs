//! Which evaluators this machine has.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sandbox::Sandbox;
use super::text;
use crate::error::Error;
use crate::process::{Captured, CommandSpec, capture, describe_exit};

/// The oldest Nix whose repl does what [`super::repl`] relies on.
const OLDEST: (u64, u64) = (2, 18);
/// The first Nix whose repl loads flakes without being told that this is an experiment.
const REPL_OF_FLAKES: (u64, u64) = (2, 22);
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

/// Experimental features that the repl of Nix `version` needs for flakes. Others know no `repl-flake`,
/// and warn of it.
pub(super) fn repl_features(version: &str) -> &'static [&'static str] {
    match numbers(version) {
        Some(numbers) if numbers < REPL_OF_FLAKES => {
            &["--extra-experimental-features", "repl-flake"]
        }
        _ => &[],
    }
}

/// A nix-eval-jobs that runs where evaluators do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EvalJobs {
    /// Its version, or `unknown`: most do not tell.
    pub(super) version: String,
    /// Which it is, whatever it tells.
    pub(super) identity: OsString,
}

/// The nix-eval-jobs on PATH, if it runs; else why not.
pub(super) fn eval_jobs(sandbox: &Sandbox) -> Result<EvalJobs, String> {
    let command = CommandSpec::new("nix-eval-jobs").args(["--version"]);
    let captured = capture(&sandbox.command(command), b"", LIMIT);
    let captured = captured.map_err(|error| error.to_string())?;
    let file = eval_jobs_file().ok_or("it is not on PATH")?;
    let words = text::clean(&String::from_utf8_lossy(&captured.stderr));
    let version = if captured.status.success() {
        last_word(&captured)
    } else if words.contains("unrecognised flag") {
        version_in_store(&file).unwrap_or("unknown").to_owned()
    } else {
        let last = words.lines().next_back().unwrap_or("without a word");
        let how = describe_exit(captured.status);
        return Err(format!(
            "`nix-eval-jobs --version` ended with {how}: {last}"
        ));
    };
    Ok(EvalJobs {
        version,
        identity: identity(file),
    })
}

/// Whether somebody has installed nix-eval-jobs, working or not.
pub(super) fn has_eval_jobs() -> bool {
    eval_jobs_file().is_some()
}

/// The nix-eval-jobs on PATH, without symbolic links.
fn eval_jobs_file() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join("nix-eval-jobs"));
    files.find(|file| file.is_file())?.canonicalize().ok()
}

/// `2.33.0` of `/nix/store/<hash>-nix-eval-jobs-2.33.0/bin/nix-eval-jobs`.
fn version_in_store(file: &Path) -> Option<&str> {
    let name = file.parent()?.parent()?.file_name()?.to_str()?;
    name.split_once("-nix-eval-jobs-")
        .map(|(_, version)| version)
}

/// Differs when `file` is replaced, wherever it is.
fn identity(file: PathBuf) -> OsString {
    let state = file
        .metadata()
        .map(|it| (it.len(), it.mtime(), it.mtime_nsec()));
    let mut identity = file.into_os_string();
    identity.push(format!(" {:?}", state.ok()));
    identity
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

    #[test]
    fn only_an_old_repl_is_told_of_flakes() {
        assert_eq!(repl_features("2.21.5").last(), Some(&"repl-flake"));
        for version in ["2.22.0", "2.26.3", "2.93.0", "unknown"] {
            assert!(repl_features(version).is_empty(), "{version}");
        }
    }

    #[test]
    fn a_store_path_tells_the_version() {
        let hash = "0".repeat(32);
        let of = |name: &str| {
            let file = format!("/nix/store/{hash}-{name}/bin/nix-eval-jobs");
            version_in_store(Path::new(&file)).map(str::to_owned)
        };
        assert_eq!(of("nix-eval-jobs-2.33.0").as_deref(), Some("2.33.0"));
        assert_eq!(of("tools"), None);
        assert_eq!(version_in_store(Path::new("/nix-eval-jobs")), None);
    }

    #[test]
    fn another_file_of_the_same_name_is_another_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nix-eval-jobs");
        std::fs::write(&file, "1").unwrap();
        let first = identity(file.clone());
        assert_eq!(identity(file.clone()), first);
        std::fs::write(&file, "22").unwrap();
        assert_ne!(identity(file), first);
    }
}
