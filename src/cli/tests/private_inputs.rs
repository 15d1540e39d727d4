//! `buildbot-nix eval` with credentials for private inputs, on a real Nix and a server that asks for
//! a password: who gets in, and where the password can be seen.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;
mod nix;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;

use evaluation::{Checkout, Evaluated};

const SANDBOX: [&str; 2] = ["--sandbox", "required"];
const PASSWORD: &str = "hunter2-8f1c";
/// `robot:hunter2-8f1c` as a client sends it.
const BASIC: &str = "Basic cm9ib3Q6aHVudGVyMi04ZjFj";
const TOKEN: &str = "token-hunter2-77aa";

/// Gives a file to who knows the password.
struct Server {
    port: u16,
    served: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

impl Server {
    fn start(file: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            served: Arc::default(),
            refused: Arc::default(),
        };
        let counts = [server.served.clone(), server.refused.clone()];
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let mut may = false;
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                    let header = line.trim().split_once(": ").unwrap_or_default();
                    may |= header.0.eq_ignore_ascii_case("authorization") && header.1 == BASIC;
                    line.clear();
                }
                let (count, status, body): (_, _, &[u8]) = if may {
                    (&counts[0], "200 OK", &file)
                } else {
                    (&counts[1], "401 Unauthorized", b"")
                };
                count.fetch_add(1, Ordering::Relaxed);
                let head = format!(
                    "HTTP/1.1 {status}\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = (&stream).write_all(&[head.as_bytes(), body].concat());
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/private.tar", self.port)
    }
}

/// A private input that no store has seen, and a flake that takes a name from it.
struct Private {
    server: Server,
    checkout: Checkout,
    name: String,
    folder: TempDir,
}

impl Private {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("private-{}", unique());
        std::fs::create_dir(folder.path().join("input")).unwrap();
        std::fs::write(folder.path().join("input/name"), &name).unwrap();
        nix::nix(
            Command::new("tar")
                .args(["-cf", "input.tar", "input"])
                .current_dir(folder.path()),
        );
        let server = Server::start(std::fs::read(folder.path().join("input.tar")).unwrap());
        let checkout = Checkout::with_flake(&format!(
            "{{ inputs.private = {{ url = \"{}\"; flake = false; }};
               outputs = inputs: {{ checks.x86_64-linux.a = derivation {{
                 name = builtins.readFile (inputs.private + \"/name\");
                 system = \"x86_64-linux\"; builder = \"/bin/sh\"; }}; }}; }}",
            server.url()
        ));
        let private = Self {
            server,
            checkout,
            name,
            folder,
        };
        private.lock();
        private
    }

    /// Writes the lock file without fetching: what is in the store once is there for all.
    fn lock(&self) {
        let hash = Command::new("nix")
            .args(["--extra-experimental-features", "nix-command", "hash"])
            .args(["path", "--sri", "input"])
            .current_dir(self.folder.path())
            .output();
        let hash = String::from_utf8(hash.unwrap().stdout).unwrap();
        let url = self.server.url();
        let lock = serde_json::json!({
            "version": 7,
            "root": "root",
            "nodes": {
                "root": { "inputs": { "private": "private" } },
                "private": {
                    "flake": false,
                    "locked": { "type": "tarball", "url": url, "narHash": hash.trim() },
                    "original": { "type": "tarball", "url": url },
                },
            },
        });
        self.checkout.write("flake.lock", &lock.to_string());
    }

    /// A folder as the master makes it.
    fn credentials(&self) -> PathBuf {
        let folder = self.folder.path().join("credentials");
        std::fs::create_dir(&folder).unwrap();
        let netrc = format!("machine 127.0.0.1\nlogin robot\npassword {PASSWORD}\n");
        for (name, text) in [
            ("netrc", netrc),
            ("access-tokens", format!("git.example.org={TOKEN}\n")),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
            let mode = PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(folder.join(name), mode).unwrap();
        }
        folder
    }

    /// Evaluates in the sandbox with `credentials`; `what` may change the command.
    fn evaluate(&self, credentials: Option<&Path>, what: impl FnOnce(&mut Command)) -> Evaluated {
        let mut command = self.checkout.command(&SANDBOX);
        command.env("no_proxy", "127.0.0.1");
        command.env("XDG_CACHE_HOME", self.folder.path().join("caches"));
        if let Some(folder) = credentials {
            command.arg("--credentials").arg(folder);
        }
        what(&mut command);
        Evaluated::from_output(command.output().unwrap())
    }
}

fn unique() -> String {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    format!("{}-{}", std::process::id(), letters.collect::<String>())
}

/// Which of `texts` are in the command line or environment of any process while `during` runs.
fn seen_in_processes<T>(texts: &[&str], during: impl FnOnce() -> T) -> (BTreeSet<String>, T) {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !ended.load(Ordering::Relaxed) {
                for text in texts.iter().filter(|text| !nix::processes(text).is_empty()) {
                    seen.insert((*text).to_owned());
                }
            }
            seen
        });
        let result = during();
        ended.store(true, Ordering::Relaxed);
        (watch.join().unwrap(), result)
    })
}

fn assert_secret(evaluated: &Evaluated) {
    let shown = format!("{evaluated:?}");
    for secret in [PASSWORD, TOKEN, BASIC] {
        assert!(!shown.contains(secret), "{evaluated:#?}");
    }
}

#[test]
fn who_has_credentials_gets_private_inputs_and_nobody_sees_them() {
    let private = Private::new();
    let without = private.evaluate(None, |_| {});
    assert!(without.failure().contains("401"), "{without:#?}");
    assert!(private.server.refused.load(Ordering::Relaxed) > 0);
    assert_eq!(private.server.served.load(Ordering::Relaxed), 0);

    let folder = private.credentials();
    // The mark shows that the watch sees what there is to see.
    let mark = private.checkout.path().to_str().unwrap().to_owned();
    let (seen, with) = seen_in_processes(&[&mark, PASSWORD, TOKEN], || {
        private.evaluate(Some(&folder), |_| {})
    });
    with.assert_complete();
    assert_eq!(with.jobs().next().unwrap().name, private.name);
    assert_eq!(private.server.served.load(Ordering::Relaxed), 1);
    assert_eq!(with.warnings(), Vec::<&str>::new(), "{with:#?}");
    assert_eq!(seen, BTreeSet::from([mark]));
    assert_secret(&with);
    assert!(!folder.exists());
    // Nor in what is kept for the next time. From a file: the command line would be seen by the
    // watch of a second run of this test on the same machine.
    let secrets = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secrets.path(), format!("{PASSWORD}\n{TOKEN}\n")).unwrap();
    let kept = Command::new("grep")
        .args(["-rlF", "-f"])
        .args([secrets.path(), Path::new(".")])
        .current_dir(private.folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
}

#[test]
fn credentials_go_whatever_happens() {
    let private = Private::new();
    private.checkout.write("flake.nix", "{ outputs = throw");
    let folder = private.credentials();
    let failed = private.evaluate(Some(&folder), |_| {});
    failed.fatal();
    assert!(!folder.exists());

    std::fs::remove_file(private.checkout.path().join("flake.nix")).unwrap();
    let folder = private.credentials();
    let failed = private.evaluate(Some(&folder), |_| {});
    failed.fatal();
    assert!(!folder.exists());

    let folder = private.credentials();
    std::fs::write(folder.join("access-tokens"), TOKEN).unwrap();
    let refused = private.evaluate(Some(&folder), |_| {});
    let (message, hint) = refused.fatal();
    assert_eq!(message, "the file of access tokens is not understood");
    assert!(hint.unwrap().contains("<host>=<token>"));
    assert_secret(&refused);
    assert!(!folder.exists());
}

#[test]
fn credentials_are_for_the_sandbox_only() {
    let private = Private::new();
    let folder = private.credentials();
    let evaluated = private.evaluate(Some(&folder), |command| {
        command.args(["--sandbox", "off"]);
    });
    assert!(evaluated.failure().contains("401"), "{evaluated:#?}");
    let expected =
        "credentials for private inputs are not used: the evaluation runs without a sandbox";
    assert!(evaluated.log.contains(expected), "{evaluated:#?}");
    assert_eq!(private.server.served.load(Ordering::Relaxed), 0);
    assert!(!folder.exists());
}

/// What an evaluator that does what it likes finds, as the log shows it.
fn looked(private: &Private, credentials: Option<&Path>) -> (Evaluated, Vec<String>) {
    let bin = tempfile::tempdir().unwrap();
    let mut script = "#!/bin/sh\n[ \"$1\" = --version ] && exec echo nix-eval-jobs 2.26\n\
                      {\nfind / -xdev -not -path '/proc/*' -not -path '/nix/*' \\( -name netrc -o \
                      -name .netrc -o -name access-tokens \\) -printf 'found %p %m\\n'\n\
                      nix --extra-experimental-features nix-command config show \
                      | grep -E '^(netrc-file|cores) '\n"
        .to_owned();
    writeln!(
        script,
        "grep -rl {PASSWORD} /run /home /etc/nix 2>/dev/null | sed 's/^/password /'"
    )
    .unwrap();
    writeln!(
        script,
        "grep -rl {TOKEN} /run /home /etc/nix 2>/dev/null | sed 's/^/token /'"
    )
    .unwrap();
    script.push_str("echo end\n} >&2\n");
    let program = bin.path().join("nix-eval-jobs");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut path = vec![bin.path().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let evaluated = private.evaluate(credentials, |command| {
        command
            .args(["--engine", "nix-eval-jobs"])
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("NIX_CONFIG", "cores = 3");
    });
    let words = [
        "found ",
        "netrc-file ",
        "cores ",
        "password ",
        "token ",
        "end",
    ];
    let lines = evaluated.log.lines();
    let mut lines: Vec<String> = lines
        .filter(|line| words.iter().any(|word| line.starts_with(word)))
        .map(str::to_owned)
        .collect();
    lines.sort_unstable();
    (evaluated, lines)
}

#[test]
fn an_evaluator_finds_credentials_of_its_own_run_only() {
    let private = Private::new();
    private.checkout.write(
        "flake.nix",
        "{ outputs = _: { checks.x86_64-linux.a = derivation { name = \"a\"; system = \
         \"x86_64-linux\"; builder = \"/bin/sh\"; }; }; }",
    );
    std::fs::remove_file(private.checkout.path().join("flake.lock")).unwrap();
    let folder = private.credentials();
    let (_, other) = looked(&private, None);
    assert_eq!(other.first().unwrap(), "cores = 3");
    let others_file = "netrc-file = /run/buildbot-nix/settings/netrc";
    assert!(!other.iter().any(|line| line == others_file), "{other:?}");
    let nothing = |line: &&String| {
        ["found", "password", "token"]
            .iter()
            .any(|it| line.starts_with(it))
    };
    assert_eq!(other.iter().find(nothing), None);

    let (evaluated, own) = looked(&private, Some(&folder));
    evaluated.assert_complete();
    assert_eq!(
        own,
        [
            "cores = 3",
            "end",
            "found /home/evaluator/.netrc 600",
            "found /run/buildbot-nix/settings/netrc 600",
            others_file,
            "password /home/evaluator/.netrc",
            "password /run/buildbot-nix/settings/netrc",
            "token /run/buildbot-nix/settings/nix.conf",
        ]
    );
}
