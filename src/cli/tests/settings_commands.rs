//! `init`, `check-config`, `plan` and `completions` as people run them.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot-nix"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("CREDENTIALS_DIRECTORY");
    command
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    command(arguments, folder).output().unwrap()
}

/// Exit status, stdout and stderr in one text.
fn shown(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn initialised() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["init", "--system", "x86_64-linux", "--workers", "3", "ci"];
    let output = run(&arguments, folder.path());
    assert!(output.status.success(), "{}", shown(&output));
    folder
}

#[test]
fn init_tells_what_to_do_next() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["init", "--workers", "3", "a b"], folder.path());
    insta::assert_snapshot!(shown(&output), @r#"
    0
    Wrote settings.yaml, master.cfg, buildbot.tac, worker.tac, buildbot-nix-master.service, buildbot-nix-worker.service, workers.json, worker-password to a b.

    Next:
      1. Name your repositories in a b/settings.yaml, then check it:
           buildbot-nix check-config 'a b'/settings.yaml
      2. Make the database and start the master, on http://localhost:8010/:
           buildbot upgrade-master 'a b'
           buildbot start 'a b'
      3. Start the workers:
           cd 'a b' && WORKER_NAME=worker WORKER_COUNT=3 \
             twistd --pidfile=worker.pid --logfile=worker.log --python=worker.tac

    Or have systemd start both, instead of 2 and 3:
           sudo cp 'a b'/*.service /etc/systemd/system/
           sudo systemctl enable --now buildbot-nix-master buildbot-nix-worker
    "#);
}

#[test]
fn a_new_folder_can_be_used_and_keeps_its_password() {
    let folder = initialised();
    let checked = run(&["check-config", "ci/settings.yaml"], folder.path());
    insta::assert_snapshot!(shown(&checked), @r#"
    0
    ok: 0 projects, 0 builders, 3 workers, 1 system
    note: pull_based.repositories: there is no repository: nothing will be built
    "#);
    let read = |name: &str| std::fs::read_to_string(folder.path().join("ci").join(name)).unwrap();
    let password = read("worker-password");
    assert_eq!(password.trim_end().len(), 48);
    assert!(read("workers.json").contains(password.trim_end()));
    for name in ["workers.json", "worker-password"] {
        let metadata = folder.path().join("ci").join(name).metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let planned = run(&["plan", "--json", "ci/settings.yaml"], folder.path());
    assert!(!shown(&planned).contains(password.trim_end()));
    assert_ne!(read("worker-password"), {
        let other = initialised();
        std::fs::read_to_string(other.path().join("ci/worker-password")).unwrap()
    });
}

#[test]
fn init_overwrites_nothing() {
    let folder = initialised();
    let master_cfg = folder.path().join("ci/master.cfg");
    std::fs::write(&master_cfg, "mine").unwrap();
    std::fs::remove_file(folder.path().join("ci/settings.yaml")).unwrap();
    let output = run(&["init", "ci"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        shown(&output).contains("`ci/master.cfg`"),
        "{}",
        shown(&output)
    );
    assert_eq!(std::fs::read_to_string(master_cfg).unwrap(), "mine");
    assert!(!folder.path().join("ci/settings.yaml").exists());
}

#[test]
fn problems_and_unreadable_files_differ_in_exit_status() {
    let folder = initialised();
    let check = |file: &str| shown(&run(&["check-config", file], folder.path()));
    std::fs::write(folder.path().join("wrong.yaml"), "urk: 1\n").unwrap();
    std::fs::write(folder.path().join("latin1.yaml"), b"url: a\ntitle: \xe4\n").unwrap();
    let shown = ["wrong.yaml", "latin1.yaml", "missing.yaml", "ci"].map(check);
    insta::assert_snapshot!(shown.join("\n"), @r#"
    2
    wrong.yaml:1: `url`: is required: expected an `http://` or `https://` URL without `?` and `#`, found nothing
    wrong.yaml:1: `build_systems`: is required: expected a list of Nix systems such as `[x86_64-linux]`, found nothing
    wrong.yaml:1: `nix_workers_secret_file`: there is no worker: expected this key, or `local_workers` above 0
    wrong.yaml:1: `urk`: there is no such key
      hint: did you mean `url`?

    2
    latin1.yaml:2: the file is not UTF-8 text from here on

    3
    error: cannot read `missing.yaml`: No such file or directory (os error 2)

    3
    error: cannot read `ci`: Is a directory (os error 21)
    "#);
}

#[test]
fn a_missing_workers_file_can_be_left_out() {
    let folder = initialised();
    std::fs::remove_file(folder.path().join("ci/workers.json")).unwrap();
    let missing = run(&["check-config", "ci/settings.yaml"], folder.path());
    insta::assert_snapshot!(shown(&missing), @r#"
    3
    error: cannot read the file of setting `nix_workers_secret_file`, `ci/workers.json`: No such file or directory (os error 2)
    "#);
    let arguments = ["check-config", "--without-secrets", "ci/settings.yaml"];
    assert!(run(&arguments, folder.path()).status.success());
}

#[test]
fn bare_names_are_credentials() {
    let folder = initialised();
    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::rename(
        folder.path().join("ci/workers.json"),
        credentials.join("workers.json"),
    )
    .unwrap();
    let mut command = command(&["check-config", "ci/settings.yaml"], folder.path());
    command.env("CREDENTIALS_DIRECTORY", &credentials);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = initialised();
    let mut child = command(&["completions", "zsh"], folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    assert!(output.stderr.is_empty(), "{}", shown(&output));
}

#[test]
fn every_key_is_listed_with_what_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let listed = shown(&run(&["list-settings"], folder.path()));
    let line = "\nretention.logs: a whole number of days from 1 to 3650; default 90\n";
    assert!(listed.contains(line), "{listed}");
    let output = run(&["list-settings", "--json"], folder.path());
    let keys: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let required: Vec<_> = keys
        .iter()
        .filter(|key| key["required"] == true)
        .filter_map(|key| key["path"].as_str())
        .filter(|path| !path.contains('.'))
        .collect();
    assert_eq!(required, ["build_systems", "url"]);
}
