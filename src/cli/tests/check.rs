//! `buildbot-nix check` on a real Nix.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod nix;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use buildbot_nix_core::eval::host_system;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use nix::{agent, processes, wait_until};

/// A flake whose checks are `checks`, written with the derivations of
/// tests/fixtures/nix-log/builds.nix as `builds`.
struct Flake {
    folder: TempDir,
    /// Stands in the environment of its builders.
    salt: String,
}

impl Flake {
    fn new(checks: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let builds =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/nix-log/builds.nix");
        std::fs::copy(builds, folder.path().join("builds.nix")).unwrap();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let salt = format!("check-{}-{}", std::process::id(), time.as_nanos());
        let system = host_system().unwrap();
        let flake = format!(
            r#"{{
                outputs = _: let
                    builds = import ./builds.nix {{ salt = "{salt}"; system = "{system}"; }};
                in {{
                    ci.{system} = {{ {checks} }};
                    ci.aarch64-darwin.x = throw "another system";
                }};
            }}"#
        );
        std::fs::write(folder.path().join("flake.nix"), flake).unwrap();
        std::fs::write(
            folder.path().join("buildbot-nix.toml"),
            "attribute = \"ci\"",
        )
        .unwrap();
        Self { folder, salt }
    }

    fn check(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = agent(&["check"]);
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .arg(self.folder.path())
            .args(arguments)
            .output()
            .unwrap();
        (
            status.code().unwrap(),
            String::from_utf8(stdout)
                .unwrap()
                .replace(host_system().unwrap().as_str(), "SYSTEM"),
            String::from_utf8(stderr)
                .unwrap()
                .replace(host_system().unwrap().as_str(), "SYSTEM"),
        )
    }
}

#[test]
fn failures_come_first_and_with_their_reason() {
    let flake = Flake::new(
        r#"a-success = builds.success; failure = builds.failure; thrower = throw "boom";
           z = builds.dependency; "spaced \"name" = builds.bytes;"#,
    );
    // One at a time, so that the order is always the same.
    let (code, report, log) = flake.check(&["--jobs", "1"]);
    assert_eq!(code, 1, "{report}{log}");
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines[0], "✗ SYSTEM.failure failed");
    assert_eq!(
        lines[1],
        "    the builder of `failure-1` ended with exit status 3"
    );
    assert_eq!(lines[12], "      line 40");
    assert_eq!(lines[13], "✗ SYSTEM.thrower failed to evaluate");
    assert!(
        report.contains("\n✗ SYSTEM.z was not built\n    it needs SYSTEM.failure, which failed\n"),
        "{report}"
    );
    assert!(
        report.contains("\n· 1 attribute of aarch64-darwin is not for this instance\n"),
        "{report}"
    );
    let counts = lines.last().unwrap();
    assert!(
        counts.starts_with("✗ 1 failed to evaluate, 1 failed, 1 "),
        "{report}"
    );
    assert!(counts.ends_with(", 2 built"), "{report}");
    assert!(log.contains("✓ SYSTEM.a-success ("), "{log}");
    assert!(log.contains("✗ SYSTEM.failure failed after "), "{log}");
    assert!(!log.contains("line 1\n") && !log.contains('\x1b'), "{log}");
}

#[test]
fn what_is_there_is_not_built_again() {
    let flake = Flake::new("inherit (builds) success base no-out outputs;");
    let (code, report, log) = flake.check(&["-L", "--jobs", "3"]);
    assert_eq!(
        (code, report.lines().last()),
        (0, Some("✓ 4 built")),
        "{report}{log}"
    );
    assert!(log.contains("success> building\n"), "{log}");
    let (code, report, log) = flake.check(&["-L"]);
    assert_eq!(
        (code, report.lines().last()),
        (0, Some("✓ 4 already there")),
        "{report}{log}"
    );
    assert!(!log.contains("success"), "{log}");
}

#[test]
fn the_first_failure_can_be_the_last() {
    let flake = Flake::new("a = builds.failure; b = builds.base; c = builds.no-out;");
    let (code, report, _) = flake.check(&["--fail-fast", "--jobs", "1"]);
    assert_eq!(code, 1, "{report}");
    assert!(report.ends_with("1 failed, 2 cancelled\n"), "{report}");
}

#[test]
fn a_folder_without_flake_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = agent(&["check"]).arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.starts_with("✗ the evaluation failed: "), "{report}");
}

#[test]
fn a_stop_leaves_nothing_behind() {
    let flake = Flake::new("a = builds.silent; b = builds.chatty; c = builds.base;");
    let child = agent(&["check", "--timeout", "99"])
        .arg(flake.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("both builders run", || processes(&flake.salt).len() >= 2);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.ends_with("· 3 cancelled\n"), "{report}");
    assert_eq!(processes(&flake.salt), Vec::<String>::new());
}
