use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::Source;
use crate::error::Error;

/// What Nix calls a lock file; it finds one of this name by itself.
const LOCK_FILE: &str = "flake.lock";
/// Everything that is not harmless in the path or the query of a flake reference.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A flake as Nix's command line wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flake {
    /// Without `#`.
    pub(super) reference: String,
    /// Options that belong to it.
    pub(super) options: Vec<OsString>,
}

impl Flake {
    /// Looks for the flake of a checkout; takes a reference as it is.
    pub(super) fn find(source: &Source) -> Result<Self, Error> {
        match source {
            Source::Reference(reference) => Ok(Self {
                reference: reference.clone(),
                options: Vec::new(),
            }),
            Source::Checkout {
                directory,
                flake_dir,
                lock_file,
            } => Self::in_checkout(directory, flake_dir, lock_file),
        }
    }

    fn in_checkout(directory: &Path, flake_dir: &str, lock_file: &str) -> Result<Self, Error> {
        let directory = directory
            .canonicalize()
            .map_err(|error| Error::io("find", directory, error))?;
        if !directory.join(flake_dir).join("flake.nix").is_file() {
            return Err(Error::Eval {
                message: match flake_dir {
                    "." => "the repository has no `flake.nix`".to_owned(),
                    _ => format!("the repository has no `flake.nix` in `{flake_dir}`"),
                },
                hint: Some("add one, or set `flake_dir` in `buildbot-nix.toml`".to_owned()),
            });
        }
        let mut options = Vec::new();
        if lock_file != LOCK_FILE {
            let path = directory.join(lock_file);
            if !path.is_file() {
                return Err(Error::Eval {
                    message: format!("the repository has no lock file `{lock_file}`"),
                    hint: Some("correct `lock_file` in `buildbot-nix.toml`".to_owned()),
                });
            }
            options = vec!["--reference-lock-file".into(), path.into_os_string()];
        }
        Ok(Self {
            reference: reference(&directory, flake_dir),
            options,
        })
    }
}

fn reference(directory: &Path, flake_dir: &str) -> String {
    // `.git` is a file in a worktree. Without it Nix copies the folder as it is.
    let is_git = directory.join(".git").symlink_metadata().is_ok();
    let scheme = if is_git { "git+file://" } else { "path:" };
    let path = percent_encode(directory.as_os_str().as_bytes(), ESCAPED);
    let components: Vec<&str> = flake_dir
        .split('/')
        .filter(|component| !matches!(*component, "" | "."))
        .collect();
    if components.is_empty() {
        format!("{scheme}{path}")
    } else {
        let below = components.join("/");
        let below = percent_encode(below.as_bytes(), ESCAPED);
        format!("{scheme}{path}?dir={below}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(directory: &Path, flake_dir: &str, lock_file: &str) -> Result<Flake, Error> {
        Flake::find(&Source::Checkout {
            directory: directory.to_owned(),
            flake_dir: flake_dir.to_owned(),
            lock_file: lock_file.to_owned(),
        })
    }

    #[test]
    fn a_checkout_is_a_git_or_a_path_reference() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().canonicalize().unwrap().join("a b?ü");
        std::fs::create_dir_all(directory.join("nix/c i")).unwrap();
        std::fs::write(directory.join("nix/c i/flake.nix"), "").unwrap();
        let base = parent.path().canonicalize().unwrap();
        let base = base.display();
        let flake = checkout(&directory, "./nix//c i/", LOCK_FILE).unwrap();
        assert_eq!(
            flake.reference,
            format!("path:{base}/a%20b%3F%C3%BC?dir=nix/c%20i")
        );
        std::fs::create_dir(directory.join(".git")).unwrap();
        std::fs::write(directory.join("flake.nix"), "").unwrap();
        let flake = checkout(&directory, ".", LOCK_FILE).unwrap();
        assert_eq!(flake.reference, format!("git+file://{base}/a%20b%3F%C3%BC"));
        assert_eq!(flake.options, Vec::<OsString>::new());
    }

    #[test]
    fn what_is_not_there_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let message = |flake_dir, lock_file| {
            checkout(directory.path(), flake_dir, lock_file)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(message(".", LOCK_FILE), "the repository has no `flake.nix`");
        assert_eq!(
            message("ci", LOCK_FILE),
            "the repository has no `flake.nix` in `ci`"
        );
        std::fs::write(directory.path().join("flake.nix"), "").unwrap();
        assert_eq!(
            message(".", "x.lock"),
            "the repository has no lock file `x.lock`"
        );
    }
}
