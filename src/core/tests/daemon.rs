//! The client against a real daemon on a socket of its own. Nix is taken from PATH.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use buildbot_nix_core::daemon::{Client, DaemonError, Wanted};
use buildbot_nix_core::nix::{DrvPath, StorePath};

const LIMIT: Duration = Duration::from_secs(30);

/// A `nix-daemon` in a folder.
struct Daemon {
    folder: tempfile::TempDir,
    process: Child,
}

impl Daemon {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("nix-daemon")
            .env("NIX_DAEMON_SOCKET_PATH", folder.path().join("socket"))
            .env("NIX_CONFIG", config)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need Nix on PATH, see `make test`");
        let daemon = Self { folder, process };
        let begun = Instant::now();
        // The socket is there a moment before somebody listens.
        while UnixStream::connect(daemon.socket()).is_err() {
            assert!(begun.elapsed() < LIMIT, "the daemon does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn client(&self) -> Client {
        Client::connect(&self.socket(), LIMIT).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn nix(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Two derivations that no store has seen before; the second needs the first.
fn instantiate() -> [DrvPath; 2] {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let expression = format!(
        r#"let
          mk = name: text: derivation {{
            inherit name; system = builtins.currentSystem; builder = "/bin/sh";
            args = [ "-c" "echo ${{text}} > $out" ];
          }};
          first = mk "first" "{}-{}";
        in [ first (mk "second" "${{first}}") ]"#,
        std::process::id(),
        time.as_nanos()
    );
    let printed = nix(Command::new("nix-instantiate").args(["--expr", &expression]));
    let mut drvs = printed.lines().map(|line| line.parse().unwrap());
    [drvs.next().unwrap(), drvs.next().unwrap()]
}

/// So many derivations that no store has seen before.
fn instantiate_many(number: usize) -> Vec<DrvPath> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let expression = format!(
        r#"builtins.genList (n: derivation {{
          name = "many-${{toString n}}"; system = "x"; builder = "/bin/sh"; salt = "{}-{}";
        }}) {number}"#,
        std::process::id(),
        time.as_nanos()
    );
    let printed = nix(Command::new("nix-instantiate").args(["--expr", &expression]));
    printed.lines().map(|line| line.parse().unwrap()).collect()
}

fn output(drv: &DrvPath) -> StorePath {
    let printed = nix(Command::new("nix-store").args(["--query", "--outputs", drv.as_str()]));
    printed.parse().unwrap()
}

fn store_path(drv: &DrvPath) -> StorePath {
    drv.as_str().parse().unwrap()
}

fn realise(drv: &DrvPath) {
    nix(Command::new("nix-store").args(["--realise", drv.as_str()]));
}

#[test]
fn what_is_built_is_valid_and_no_longer_missing() {
    let daemon = Daemon::start("substituters =");
    let mut client = daemon.client();
    let [first, second] = instantiate();
    let outputs = [&first, &second].map(output);
    let paths = [&outputs[0], &outputs[1], &store_path(&first)];
    assert_eq!(
        client.valid_paths(&paths).unwrap(),
        [store_path(&first)].into()
    );
    let both = [&first, &second].map(|drv| Wanted::Outputs(drv.clone()));
    let missing = client.missing(&both, LIMIT).unwrap();
    assert_eq!(missing.will_build, [&first, &second].map(store_path).into());
    assert!(missing.will_substitute.is_empty() && missing.unknown.is_empty());

    realise(&first);
    assert_eq!(client.valid_paths(&paths).unwrap().len(), 2);
    let missing = client.missing(&both, LIMIT).unwrap();
    assert_eq!(missing.will_build, [store_path(&second)].into());
}

#[test]
fn a_derivation_that_is_gone_is_unknown() {
    let daemon = Daemon::start("substituters =");
    let gone: DrvPath = format!("/nix/store/{:032}-gone.drv", 0).parse().unwrap();
    let missing = daemon
        .client()
        .missing(&[Wanted::Outputs(gone.clone())], LIMIT)
        .unwrap();
    assert_eq!(missing.unknown, [store_path(&gone)].into());
    assert!(daemon.client().valid_paths(&[]).unwrap().is_empty());
}

#[test]
fn what_a_substituter_has_is_fetched_even_beside_one_that_does_not_work() {
    let cache = tempfile::tempdir().unwrap();
    let cache_url = format!("file://{}", cache.path().display());
    let [first, second] = instantiate();
    realise(&first);
    nix(Command::new("nix")
        .args(["--extra-experimental-features", "nix-command"])
        .args(["copy", "--to", &cache_url, output(&first).as_str()]));
    nix(Command::new("nix-store").args(["--delete", output(&first).as_str()]));

    // Nothing listens on port 1.
    for substituters in [cache_url.clone(), format!("http://127.0.0.1:1 {cache_url}")] {
        let daemon = Daemon::start(&format!(
            "substituters = {substituters}\nrequire-sigs = false\nconnect-timeout = 1\ndownload-attempts = 1"
        ));
        let mut client = daemon.client();
        let both = [&first, &second].map(|drv| Wanted::Outputs(drv.clone()));
        let missing = client.missing(&both, LIMIT).unwrap();
        assert_eq!(missing.will_build, [store_path(&second)].into());
        assert_eq!(missing.will_substitute, [output(&first)].into());

        let outputs = [&first, &second].map(|drv| Wanted::Path(output(drv)));
        let missing = client.missing(&outputs, LIMIT).unwrap();
        assert!(missing.will_build.is_empty());
        assert_eq!(missing.will_substitute, [output(&first)].into());
        assert_eq!(missing.unknown, [output(&second)].into());
    }
}

#[test]
fn the_program_takes_the_place_of_a_daemon() {
    // Only with Nix's own defaults: no socket at the usual place is needed.
    assert!(Path::new("/nix/store").exists(), "there is a store");
    let mut client = Client::open().unwrap();
    let [first, _] = instantiate();
    let valid = client.valid_paths(&[&store_path(&first)]).unwrap();
    assert_eq!(valid, [store_path(&first)].into());
}

#[test]
fn a_text_keeps_what_it_refers_to() {
    let daemon = Daemon::start("substituters =");
    let drvs = instantiate_many(3);
    let [first, others @ ..] = &drvs[..] else {
        panic!("{drvs:?}");
    };
    let paths: Vec<StorePath> = drvs.iter().map(store_path).collect();
    let paths: Vec<&StorePath> = paths.iter().collect();
    let mut client = daemon.client();
    let text = client.add_text("a-text", "words\n", &paths).unwrap();
    assert_eq!(std::fs::read(text.as_str()).unwrap(), b"words\n");
    let references =
        nix(Command::new("nix-store").args(["--query", "--references", text.as_str()]));
    assert_eq!(references.lines().count(), 3);
    // The answer is read to its end, and the same text is the same path.
    assert_eq!(client.valid_paths(&[&text]).unwrap(), [text.clone()].into());
    assert_eq!(client.add_text("a-text", "words\n", &paths).unwrap(), text);
    drop(client);

    let delete = |paths: &[&str]| {
        let mut command = Command::new("nix-store");
        let deleted = command.arg("--delete").args(paths).output();
        deleted.unwrap().status.success()
    };
    assert!(!delete(&[first.as_str()]));
    let begun = Instant::now();
    while !delete(&[text.as_str(), first.as_str()]) {
        assert!(begun.elapsed() < LIMIT, "it is still held");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What is gone cannot be referred to, and the connection is of use afterwards.
    let mut client = daemon.client();
    let error = client.add_text("a-text", "words\n", &paths).unwrap_err();
    assert!(matches!(error, DaemonError::Refused(_)), "{error}");
    let valid = client.valid_paths(&paths).unwrap();
    assert_eq!(valid, others.iter().map(store_path).collect());
}

#[test]
fn what_is_held_cannot_be_collected() {
    let daemon = Daemon::start("substituters =");
    // More than are asked at once.
    let held = instantiate_many(120);
    let gone: StorePath = format!("/nix/store/{:032}-gone.drv", 0).parse().unwrap();
    let mut paths: Vec<StorePath> = held.iter().map(store_path).collect();
    paths.push(gone);
    let paths: Vec<&StorePath> = paths.iter().collect();
    let mut client = daemon.client();
    client.add_temp_roots(&paths).unwrap();
    // The answers are all read.
    assert_eq!(client.valid_paths(&paths).unwrap().len(), held.len());
    let delete = |drv: &DrvPath| {
        let deleted = Command::new("nix-store")
            .args(["--delete", drv.as_str()])
            .output();
        deleted.unwrap().status.success()
    };
    assert!(!delete(&held[0]) && !delete(held.last().unwrap()));
    drop(client);
    let begun = Instant::now();
    while !delete(&held[0]) {
        assert!(begun.elapsed() < LIMIT, "it is still held");
        std::thread::sleep(Duration::from_millis(20));
    }
}
