//! What tests on a real Nix need. It is taken from PATH; `make test` puts one there.

#![allow(dead_code, reason = "shared by several tests")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use buildbot_nix_core::machine_line::{Decoder, Line, Outcome};

/// A derivation of tests/fixtures/nix-log/builds.nix that no store has seen before.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) drv: String,
    /// Stands in the environment of its builders, so that they can be found.
    pub(crate) salt: String,
}

impl Fresh {
    pub(crate) fn new(attribute: &str) -> Self {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos();
        let salt = format!("{attribute}-{}-{time}", std::process::id());
        Self::salted(attribute, &salt)
    }

    pub(crate) fn salted(attribute: &str, salt: &str) -> Self {
        let builds =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/nix-log/builds.nix");
        let printed = nix(Command::new("nix-instantiate")
            .args(["--option", "extra-experimental-features", "ca-derivations"])
            .arg(builds)
            .args(["--attr", attribute, "--argstr", "salt", salt]));
        // `path!output` for derivations without `out`.
        let drv = printed.split(['!', '\n']).next().unwrap().to_owned();
        let salt = salt.to_owned();
        Self { drv, salt }
    }

    /// Its builders, and whoever names it in a command line.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mut found = processes(&self.salt);
        found.extend(processes(&self.drv));
        found.dedup();
        found
    }
}

/// Processes that have `text` in their environment or command line.
pub(crate) fn processes(text: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let folders = processes.map(|entry| entry.path()).filter(|folder| {
        ["environ", "cmdline"]
            .iter()
            .any(|file| contains(&std::fs::read(folder.join(file)).unwrap_or_default(), text))
    });
    folders.map(|folder| folder.display().to_string()).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// What `command`, which is one of Nix's, prints.
pub(crate) fn nix(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; these tests need Nix 2.18 or later on PATH, see `make test`")
    });
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The command `buildbot-nix`.
pub(crate) fn agent(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot-nix"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// What `buildbot-nix build --format json` did.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) status: ExitStatus,
    pub(crate) outcome: Outcome,
    pub(crate) log: String,
}

impl Built {
    pub(crate) fn from_output(output: &Output) -> Self {
        let log = String::from_utf8(output.stderr.clone()).expect("the log is UTF-8");
        let mut decoder = Decoder::default();
        let mut lines = decoder.feed(&output.stdout).unwrap();
        decoder.finish().unwrap();
        let Some(Line::Outcome(outcome)) = lines.pop() else {
            panic!("no outcome: {output:?}");
        };
        assert_eq!(lines, [], "the outcome is the only line");
        Self {
            status: output.status,
            outcome,
            log,
        }
    }

    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap()
    }

    pub(crate) fn message(&self) -> &str {
        self.outcome.message.as_deref().unwrap_or_default()
    }
}

/// Builds `fresh` as a worker does.
pub(crate) fn build(fresh: &Fresh, arguments: &[&str]) -> Built {
    let mut command = agent(&["build", &fresh.drv, "--format", "json"]);
    Built::from_output(&command.args(arguments).output().unwrap())
}

/// Waits until `done`, for a time that is long even on a slow machine.
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "still not: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where a symbolic link leads, as text.
pub(crate) fn target(link: &Path) -> String {
    let target: PathBuf =
        std::fs::read_link(link).unwrap_or_else(|error| panic!("{}: {error}", link.display()));
    target.display().to_string()
}
