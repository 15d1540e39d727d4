//! A store that is a folder of the test.

#![allow(dead_code, reason = "shared by several tests")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::evaluation::{Checkout, Evaluated};

pub(crate) const USER: &str = "ci";

/// A store of its own, and a home.
pub(crate) struct Store(TempDir);

impl Store {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Where links are roots by themselves.
    pub(crate) fn direct(&self) -> PathBuf {
        let users = self.path("nix/var/nix/gcroots/per-user");
        users.join(USER).join(".buildbot-nix-runs")
    }

    /// Where Nix is told of them.
    pub(crate) fn indirect(&self) -> PathBuf {
        self.path("home/.local/state/buildbot-nix/runs")
    }

    /// Lets `command` use this store and nothing else.
    pub(crate) fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env(
                "NIX_REMOTE",
                format!("local?root={}", self.0.path().display()),
            )
            .env("NIX_STATE_DIR", self.path("nix/var/nix"))
            .env("HOME", self.path("home"))
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CACHE_HOME")
    }

    pub(crate) fn evaluate(&self, checkout: &Checkout, run: &str, arguments: &[&str]) -> Evaluated {
        let mut command = checkout.command(&["--run", run]);
        let output = self.apply(command.args(arguments)).output().unwrap();
        Evaluated::from_output(output)
    }

    /// What the master has run at the end of a run.
    pub(crate) fn release(&self, run: &str) {
        let output = self.agent(&["release", run, "--gc-roots-user", USER]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"");
    }

    pub(crate) fn agent(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot-nix"));
        self.apply(command.args(arguments)).output().unwrap()
    }

    pub(crate) fn collect_garbage(&self) {
        let mut command = Command::new("nix-store");
        let collected = self.apply(command.arg("--gc")).output().unwrap();
        assert!(collected.status.success(), "{collected:?}");
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path.trim_start_matches('/')).exists()
    }

    /// How many of the jobs' derivations are left.
    pub(crate) fn left(&self, evaluated: &Evaluated) -> usize {
        let drvs = evaluated.jobs().map(|job| job.drv_path.as_str());
        drvs.filter(|drv| self.has(drv)).count()
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}
