//! Cache status on a real Nix, with and without a daemon, and with substituters that work or not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod evaluation;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use buildbot_nix_core::machine_line::CacheStatus::{self, Cached, Local, NotBuilt};
use evaluation::{Checkout, Evaluated};
use rstest::rstest;

const JOBS: [&str; 4] = ["fetched", "here", "new", "without-inputs"];

/// Jobs in all states: `here` and `without-inputs` are built, `fetched` only in the cache.
struct Scene {
    checkout: Checkout,
    cache: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let checkout = Checkout::of("status");
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let salt = format!("\"{}-{}\"", std::process::id(), time.as_nanos());
        checkout.write("salt.nix", &salt);
        let cache = tempfile::tempdir().unwrap();
        let scene = Self { checkout, cache };
        let evaluated = scene.evaluate("", None);
        assert_eq!(statuses(&evaluated), JOBS.map(|_| NotBuilt));
        let drv = |name| {
            evaluated
                .job(&format!("x86_64-linux\n{name}"))
                .drv_path
                .to_string()
        };
        for name in ["here", "fetched", "without-inputs"] {
            nix("nix-store", &["--realise", &drv(name)]);
        }
        let output = output_of(&evaluated, "fetched");
        nix(
            "nix",
            &[
                "--extra-experimental-features",
                "nix-command",
                "copy",
                "--to",
                &scene.cache_url(),
                &output,
            ],
        );
        let input = nix(
            "nix-store",
            &["--query", "--references", &drv("without-inputs")],
        );
        let input = nix("nix-store", &["--query", "--outputs", input.trim()]);
        nix("nix-store", &["--delete", &output, input.trim()]);
        scene
    }

    fn cache_url(&self) -> String {
        format!("file://{}", self.cache.path().display())
    }

    fn evaluate(&self, substituters: &str, daemon: Option<&Path>) -> Evaluated {
        let mut command = self.checkout.command(&[]);
        command.env("NIX_CONFIG", config(substituters));
        if let Some(socket) = daemon {
            command
                .env("NIX_REMOTE", "daemon")
                .env("NIX_DAEMON_SOCKET_PATH", socket);
        }
        let evaluated = Evaluated::from_output(command.output().unwrap());
        evaluated.assert_complete();
        evaluated
    }
}

fn config(substituters: &str) -> String {
    format!(
        "substituters = {substituters}\nrequire-sigs = false\nextra-experimental-features = nix-command flakes"
    )
}

/// Of the jobs in [`JOBS`].
fn statuses(evaluated: &Evaluated) -> [CacheStatus; 4] {
    JOBS.map(|name| evaluated.job(&format!("x86_64-linux\n{name}")).cache_status)
}

fn output_of(evaluated: &Evaluated, name: &str) -> String {
    let job = evaluated.job(&format!("x86_64-linux\n{name}"));
    job.outputs["out"].as_ref().unwrap().to_string()
}

fn nix(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    String::from_utf8(output.stdout).unwrap()
}

/// A daemon that ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(socket: &Path, substituters: &str) -> Self {
        let child = Command::new("nix-daemon")
            .env("NIX_DAEMON_SOCKET_PATH", socket)
            .env("NIX_CONFIG", config(substituters))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self(child);
        let begun = Instant::now();
        while !socket.exists() {
            assert!(begun.elapsed() < Duration::from_secs(30), "no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[rstest]
fn outputs_come_first_then_substituters(#[values(false, true)] with_daemon: bool) {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let url = scene.cache_url();
    let daemon = with_daemon.then(|| Daemon::start(&socket, &url));
    let evaluated = scene.evaluate(&url, daemon.is_some().then_some(&socket));
    assert_eq!(statuses(&evaluated), [Cached, Local, NotBuilt, Local]);
    assert_eq!(evaluated.warnings(), [""; 0]);
}

/// A server that answers with `answer`, or never. Counts its visitors.
fn server(answer: Option<&'static str>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let visitors = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visitors);
    // Ends with the test's process.
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            match answer {
                Some(answer) => {
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(answer.as_bytes());
                }
                None => silent.push(stream),
            }
        }
    });
    (url, visitors)
}

#[rstest]
#[case::silent(None)]
#[case::broken(Some("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))]
#[case::garbage(Some("garbage\r\n\r\n"))]
fn a_bad_substituter_delays_nothing(#[case] answer: Option<&'static str>) {
    let scene = Scene::new();
    let (url, visitors) = server(answer);
    let begun = Instant::now();
    let evaluated = scene.evaluate(&url, None);
    let took = begun.elapsed();
    assert_eq!(statuses(&evaluated), [NotBuilt, Local, NotBuilt, Local]);
    // Nix waits for minutes for a server that says nothing.
    assert!(took < Duration::from_secs(10), "{took:?}");
    let visitors = visitors.load(Ordering::Relaxed);
    assert!((1..=10).contains(&visitors), "{visitors} visitors");
}
