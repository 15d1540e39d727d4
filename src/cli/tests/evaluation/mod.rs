//! Flakes to evaluate, and what came of it. Nix is taken from PATH; `make test` puts one there.

#![allow(dead_code, reason = "shared by several tests")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use buildbot_nix_core::machine_line::{Decoder, Job, Line};
use tempfile::TempDir;

/// A checkout with a flake of tests/flakes.
#[derive(Debug)]
pub(crate) struct Checkout(TempDir);

impl Checkout {
    pub(crate) fn of(flake: &str) -> Self {
        assert_nix();
        let checkout = Self::empty();
        let text = std::fs::read_to_string(tests().join("flakes").join(flake).join("flake.nix"));
        checkout.write("flake.nix", &text.unwrap());
        checkout
    }

    pub(crate) fn empty() -> Self {
        Self(
            tempfile::Builder::new()
                .prefix("check out")
                .tempdir()
                .unwrap(),
        )
    }

    pub(crate) fn with_flake(flake: &str) -> Self {
        assert_nix();
        let checkout = Self::empty();
        checkout.write("flake.nix", flake);
        checkout
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Sets the evaluated attribute.
    pub(crate) fn with_attribute(self, attribute: &str) -> Self {
        self.write("buildbot-nix.toml", &format!("attribute = '{attribute}'"));
        self
    }

    /// The command that CI runs here.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot-nix"));
        command
            .args(["eval", "--format", "json", "--engine", "nix"])
            .args(["--systems", "x86_64-linux"])
            .arg("--checkout")
            .arg(self.path())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn evaluate(&self, arguments: &[&str]) -> Evaluated {
        Evaluated::from_output(self.command(arguments).output().unwrap())
    }

    /// Evaluates with tests/fakes/nix-eval-jobs in that mode.
    pub(crate) fn evaluate_with_fake(&self, mode: &str, arguments: &[&str]) -> Evaluated {
        let recording = tests().join("fixtures/eval/small.jsonl");
        self.evaluate_with_recording(mode, &recording, arguments)
    }

    /// Evaluates with tests/fakes/nix-eval-jobs in that mode, which says what is in `recording`.
    pub(crate) fn evaluate_with_recording(
        &self,
        mode: &str,
        recording: &Path,
        arguments: &[&str],
    ) -> Evaluated {
        self.evaluate_by(&Fake::new(mode, recording), arguments)
    }

    /// Evaluates with `fake`.
    pub(crate) fn evaluate_by(&self, fake: &Fake, arguments: &[&str]) -> Evaluated {
        let mut paths = vec![fake.0.path().to_owned()];
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut command = self.command(&["--engine", "auto"]);
        command
            .args(arguments)
            .env("PATH", std::env::join_paths(paths).unwrap());
        Evaluated::from_output(command.output().unwrap())
    }
}

/// A folder with tests/fakes/nix-eval-jobs.
#[derive(Debug)]
pub(crate) struct Fake(TempDir);

impl Fake {
    /// One that says what is in `recording`, in that mode.
    pub(crate) fn new(mode: &str, recording: &Path) -> Self {
        let bin = tempfile::tempdir().unwrap();
        let fake = tests().join("fakes/nix-eval-jobs");
        let script = format!(
            "#!/bin/sh\nexec '{}' {mode} '{}' \"$@\"\n",
            fake.display(),
            recording.display()
        );
        let path = bin.path().join("nix-eval-jobs");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Self(bin)
    }
}

/// What `buildbot-nix eval --format json` said.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<Line>,
    pub(crate) log: String,
}

impl Evaluated {
    pub(crate) fn from_output(output: Output) -> Self {
        let mut decoder = Decoder::default();
        let lines = decoder.feed(&output.stdout).unwrap();
        decoder.finish().unwrap();
        Self {
            code: output.status.code(),
            lines,
            log: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The job of that path, components joined by newlines.
    pub(crate) fn job(&self, path: &str) -> &Job {
        self.jobs()
            .find(|job| job.attr_path.components().join("\n") == path)
            .unwrap_or_else(|| panic!("no job {path:?}: {self:#?}"))
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.lines.iter().filter_map(|line| match line {
            Line::Job(job) => Some(job),
            _ => None,
        })
    }

    /// The names of all jobs below x86_64-linux, sorted, components joined by dots.
    pub(crate) fn job_names(&self) -> Vec<String> {
        let names = self
            .jobs()
            .map(|job| job.attr_path.components()[1..].join("."));
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    /// Path below x86_64-linux, components joined by dots, and error of all failures, sorted.
    pub(crate) fn failures(&self) -> Vec<(String, &str)> {
        let failures = self.lines.iter().filter_map(|line| match line {
            Line::Failed(failed) => Some((
                failed.attr_path.components()[1..].join("."),
                failed.error.as_str(),
            )),
            _ => None,
        });
        let mut failures: Vec<_> = failures.collect();
        failures.sort_unstable();
        failures
    }

    /// The error of the only failure.
    pub(crate) fn failure(&self) -> &str {
        let failures = self.failures();
        assert_eq!(failures.len(), 1, "{self:#?}");
        failures[0].1
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        let warnings = self.lines.iter().filter_map(|line| match line {
            Line::Warning { message } => Some(message.as_str()),
            _ => None,
        });
        warnings.collect()
    }

    /// System and number of what was skipped.
    pub(crate) fn skipped(&self) -> Vec<(&str, Option<u64>)> {
        let skipped = self.lines.iter().filter_map(|line| match line {
            Line::Skipped(skipped) => Some((skipped.system.as_str(), skipped.attributes)),
            _ => None,
        });
        skipped.collect()
    }

    /// Message and hint of the line that ends an evaluation that did not work.
    pub(crate) fn fatal(&self) -> (&str, Option<&str>) {
        match self.lines.last() {
            Some(Line::Fatal { message, hint, .. }) => (message, hint.as_deref()),
            _ => panic!("not fatal: {self:#?}"),
        }
    }

    /// Checks that the evaluation failed as a whole by fault of the flake, with that message.
    pub(crate) fn assert_fatal(&self, expected: &str) {
        let (message, _) = self.fatal();
        assert!(message.contains(expected), "{self:#?}");
        assert_eq!(self.code, Some(1), "{self:#?}");
        assert!(self.log.contains(expected), "{self:#?}");
    }

    /// Checks what is so of every evaluation that went to its end.
    pub(crate) fn assert_complete(&self) {
        let failed = self.failures().len() as u64;
        let jobs = self.jobs().count() as u64;
        assert!(
            matches!(self.lines.first(), Some(Line::Start(_))),
            "{self:#?}"
        );
        assert_eq!(
            self.lines.last(),
            Some(&Line::Done { jobs, failed }),
            "{self:#?}"
        );
        assert_eq!(self.code, Some(i32::from(failed > 0)), "{self:#?}");
    }
}

/// The folder of everything that tests need.
pub(crate) fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

/// Whether there is a real nix-eval-jobs.
pub(crate) fn has_eval_jobs() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("nix-eval-jobs").is_file())
}

fn assert_nix() {
    let status = Command::new("nix")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "these tests need Nix 2.18 or later on PATH, see `make test`: {status:?}"
    );
}
