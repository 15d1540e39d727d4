//! `buildbot-nix build --upload-to` and `upload`, with tools that note what they are told, and Nix.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod nix;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use buildbot_nix_core::machine_line::{Decoder, Line, Uploaded};
use nix::{Built, Fresh, agent, nix as run_nix};
use rstest::rstest;

const HUSH: &str = "hush-hush-token";

/// A machine with queues of its own and a folder of secrets.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "secrets", "state"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A tool that notes its arguments, its environment and its configuration, and then does `script`.
    fn tool(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let notes = self.path("notes").display().to_string();
        let config = "cat \"$XDG_CONFIG_HOME\"/attic/config.toml 2>/dev/null";
        let token = "cat \"$NIKS3_AUTH_TOKEN_FILE\" 2>/dev/null";
        let text = format!(
            "#!/bin/sh\n{{ echo \"CALL $*\"; env; {config}; {token}; }} >> {notes}\n:\n{script}\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn secret(&self, name: &str) {
        fs::write(self.path("secrets").join(name), format!("{HUSH}\n")).unwrap();
    }

    fn notes(&self) -> String {
        fs::read_to_string(self.path("notes")).unwrap_or_default()
    }

    fn calls(&self) -> Vec<String> {
        let notes = self.notes();
        let calls = notes.lines().filter(|line| line.starts_with("CALL "));
        calls.map(str::to_owned).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = agent(arguments);
        let path = std::env::var("PATH").unwrap();
        command.env("XDG_STATE_HOME", self.path("state"));
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command
    }

    /// Builds something new, to be uploaded to `cache`.
    fn build(&self, cache: &str) -> (Fresh, Built) {
        let fresh = Fresh::new("success");
        let arguments = [
            "build",
            &fresh.drv,
            "--format",
            "json",
            "--upload-to",
            cache,
        ];
        let built = Built::from_output(&self.command(&arguments).output().unwrap());
        assert_eq!(built.code(), 0, "{}", built.log);
        (fresh, built)
    }

    fn upload(&self, target: &str, more: &[&str]) -> (Uploaded, String) {
        let secrets = self.path("secrets").display().to_string();
        let mut arguments = vec!["upload", "ours", "--to", target, "--format", "json"];
        arguments.extend(["--credentials", &secrets]);
        arguments.extend(more);
        let output = self.command(&arguments).output().unwrap();
        let mut decoder = Decoder::default();
        let mut lines = decoder.feed(&output.stdout).unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let Some(Line::Uploaded(uploaded)) = lines.pop() else {
            panic!("{log}");
        };
        assert_eq!(output.status.success(), uploaded.message.is_none());
        assert!(!log.contains(HUSH), "{log}");
        (uploaded, log)
    }

    /// Names of what waits.
    fn waiting(&self) -> usize {
        let queue = self.path("state/buildbot-nix/uploads/ours");
        fs::read_dir(queue).map_or(0, Iterator::count)
    }
}

#[rstest]
#[case("cachix", "cachix=mine", "cachix-auth-token", "push mine ")]
#[case(
    "attic",
    "attic=https://cache.example.org/mine",
    "attic-token",
    "push ci:mine "
)]
#[case(
    "niks3",
    "niks3=https://cache.example.org",
    "niks3-auth-token",
    "push "
)]
fn tools_get_paths_as_arguments_and_secrets_otherwise(
    #[case] tool: &str,
    #[case] target: &str,
    #[case] secret: &str,
    #[case] arguments: &str,
) {
    let machine = Machine::new();
    machine.tool(tool, "");
    machine.secret(secret);
    let (_, first) = machine.build("ours");
    let (_, second) = machine.build("ours");
    machine.build("theirs");
    assert_eq!(machine.waiting(), 2);

    let (uploaded, _) = machine.upload(target, &[]);
    assert_eq!(
        (uploaded.uploaded, uploaded.waiting, uploaded.message),
        (2, 0, None)
    );
    // All in one call, the one that waits longest first.
    let [call] = machine.calls().try_into().unwrap();
    let paths = [&first, &second].map(|built| built.outcome.outputs["out"].to_string());
    assert_eq!(call, format!("CALL {arguments}{}", paths.join(" ")));
    assert!(machine.notes().contains(HUSH), "the tool knows the secret");
    assert_eq!(machine.waiting(), 0);

    let (nothing, _) = machine.upload(target, &[]);
    assert_eq!(nothing.summary(), "ours: nothing to upload");
    assert_eq!(machine.calls().len(), 1);
}

#[test]
fn what_a_cache_refuses_waits_and_is_told() {
    let machine = Machine::new();
    machine.tool(
        "cachix",
        "echo \"token $CACHIX_AUTH_TOKEN: HTTP 500\" >&2; exit 1",
    );
    machine.secret("cachix-auth-token");
    machine.build("ours");
    let (uploaded, log) = machine.upload("cachix=mine", &[]);
    assert_eq!(
        (uploaded.uploaded, uploaded.waiting, uploaded.dropped),
        (0, 1, 0)
    );
    assert_eq!(
        uploaded.message.as_deref(),
        Some("`cachix` ended with exit status 1: token ***: HTTP 500"),
        "{log}"
    );
    machine.tool("cachix", "");
    let (uploaded, _) = machine.upload("cachix=mine", &["--attempt", "1"]);
    assert_eq!((uploaded.uploaded, uploaded.waiting), (1, 0));
}

#[test]
fn one_bad_path_does_not_hold_up_the_others() {
    let machine = Machine::new();
    let (_, bad) = machine.build("ours");
    for _ in 0..2 {
        machine.build("ours");
    }
    let bad = &bad.outcome.outputs["out"];
    machine.tool("cachix", &format!("case \"$*\" in *{bad}*) exit 1;; esac"));
    let (all, _) = machine.upload("cachix=mine", &[]);
    assert_eq!((all.uploaded, all.waiting), (0, 3));
    let (single, _) = machine.upload("cachix=mine", &["--attempt", "5"]);
    assert_eq!((single.uploaded, single.waiting), (2, 1));
}

#[test]
fn a_dead_cache_is_not_asked_for_every_path() {
    let machine = Machine::new();
    machine.tool("cachix", "exit 1");
    for _ in 0..5 {
        machine.build("ours");
    }
    let (uploaded, _) = machine.upload("cachix=mine", &["--attempt", "9"]);
    assert_eq!((uploaded.uploaded, uploaded.waiting), (0, 5));
    assert_eq!(machine.calls().len(), 3);
}

#[test]
fn a_slow_cache_is_given_up_and_leaves_nothing_behind() {
    let machine = Machine::new();
    machine.tool("cachix", "sleep 600");
    machine.build("ours");
    let (uploaded, _) = machine.upload("cachix=mine", &["--timeout", "1"]);
    assert_eq!(
        uploaded.message.as_deref(),
        Some("`cachix` was stopped after 1 s")
    );
    assert_eq!(machine.waiting(), 1);
}

#[test]
fn a_missing_tool_is_named() {
    let machine = Machine::new();
    machine.build("ours");
    let (uploaded, _) = machine.upload("attic=https://cache.example.org/mine", &[]);
    let message = uploaded.message.unwrap();
    assert!(message.starts_with("cannot run `attic`: "), "{message}");
}

#[test]
fn a_failed_build_is_not_uploaded() {
    let machine = Machine::new();
    let fresh = Fresh::new("failure");
    let arguments = ["build", &fresh.drv, "--upload-to", "ours"];
    assert!(
        !machine
            .command(&arguments)
            .output()
            .unwrap()
            .status
            .success()
    );
    assert_eq!(machine.waiting(), 0);
}

/// A cache in a folder that Nix itself writes to and reads from, with a key of its own.
#[test]
fn nix_copies_closures_to_a_store_and_signs_them() {
    let machine = Machine::new();
    let key = machine.path("secrets/signing-key");
    run_nix(
        Command::new("nix-store")
            .args(["--generate-binary-cache-key", "test-1"])
            .args([&key, &machine.path("public")]),
    );
    let (_, built) = machine.build("ours");
    let cache = machine.path("cache");
    let target = format!("store=file://{}", cache.display());
    let (uploaded, log) = machine.upload(&target, &[]);
    assert_eq!((uploaded.uploaded, uploaded.message), (1, None), "{log}");
    let out = built.outcome.outputs["out"].as_str();
    let infos = narinfos(&cache);
    // The result and what it refers to.
    assert_eq!(infos.len(), 2, "{infos:?}");
    assert!(
        infos.iter().all(|info| info.contains("\nSig: test-1:")),
        "{infos:?}"
    );
    assert!(infos.iter().any(|info| info.contains(out)), "{infos:?}");

    let (_, single) = machine.build("ours");
    let (uploaded, log) = machine.upload(&target, &["--no-closure"]);
    // Nix does not let a cache have a path without what it refers to.
    let alone = narinfos(&cache)
        .iter()
        .any(|info| info.contains(single.outcome.outputs["out"].as_str()));
    assert_eq!(alone, uploaded.uploaded == 1, "{log}");
}

fn narinfos(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let infos = entries.filter(|path| path.extension().is_some_and(|it| it == "narinfo"));
    infos
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

#[test]
fn a_command_after_a_build_sees_the_result() {
    let machine = Machine::new();
    let script = "readlink result-a; echo \"$TOKEN\" >&2; pwd; exit 3";
    let arguments = [
        "post-build",
        "--link",
        "result-a=/nix/store/x",
        "--",
        "sh",
        "-c",
        script,
    ];
    let output = machine
        .command(&arguments)
        .env("TOKEN", HUSH)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let [link, folder] = stdout.lines().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(link, "/nix/store/x");
    assert!(!Path::new(folder).exists());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with(HUSH) && stderr.contains("exit status 3"),
        "{stderr}"
    );
    let outside = ["post-build", "--link", "../x=/", "--", "true"];
    assert_eq!(
        machine.command(&outside).output().unwrap().status.code(),
        Some(2)
    );
}
