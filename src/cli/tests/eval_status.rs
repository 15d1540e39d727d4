//! Cache status on a real Nix, with and without a daemon, and with substituters that work or not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod evaluation;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
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

/// What a server says if it is asked for a path; nothing at all if that is empty.
type Respond = fn(&str) -> String;

/// A server. Counts its visitors.
fn server(answer: Respond) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let visitors = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visitors);
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || serve(stream.unwrap(), answer));
        }
    });
    (url, visitors)
}

fn serve(mut stream: TcpStream, answer: Respond) {
    let mut request = [0; 4096];
    let length = stream.read(&mut request).unwrap_or_default();
    let request = String::from_utf8_lossy(&request[..length]);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let answer = answer(path);
    if answer.is_empty() {
        // Until the other side gives up.
        while stream.read(&mut [0]).is_ok_and(|length| length > 0) {}
    }
    let _ = stream.write_all(answer.as_bytes());
}

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// Says that it is a cache, and answers what it is asked otherwise by `answer`.
fn as_cache(path: &str, answer: impl FnOnce() -> String) -> String {
    if path == "/nix-cache-info" {
        return response("200 OK", "StoreDir: /nix/store\n");
    }
    answer()
}

fn silent(_: &str) -> String {
    String::new()
}

fn broken(_: &str) -> String {
    response("500 Broken", "")
}

fn garbage(_: &str) -> String {
    "garbage\r\n\r\n".to_owned()
}

fn silent_cache(path: &str) -> String {
    as_cache(path, String::new)
}

fn broken_cache(path: &str) -> String {
    as_cache(path, || broken(path))
}

fn garbage_cache(path: &str) -> String {
    as_cache(path, || response("200 OK", "StorePath: no\nURL\n\0: 1"))
}

fn slow_cache(path: &str) -> String {
    as_cache(path, || {
        std::thread::sleep(Duration::from_secs(2));
        response("404 Not Found", "")
    })
}

#[rstest]
fn a_bad_substituter_delays_nothing(#[values(silent, broken, garbage)] answer: Respond) {
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

/// Whatever becomes of a cache that began well, it costs the time of one job, not of each.
#[rstest]
fn many_jobs_wait_for_a_bad_cache_as_long_as_one(
    #[values(silent_cache, broken_cache, garbage_cache, slow_cache)] answer: Respond,
) {
    let checkout = Checkout::with_flake(
        r#"{
          outputs = { self }: {
            checks.x86_64-linux = builtins.listToAttrs (builtins.genList (number: {
              name = "job${toString number}";
              value = derivation {
                name = "job${toString number}";
                system = "x86_64-linux";
                builder = "/bin/sh";
                salt = import ./salt.nix;
              };
            }) 60);
          };
        }"#,
    );
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    checkout.write("salt.nix", &format!("\"{}\"", time.as_nanos()));
    let (url, visitors) = server(answer);
    let begun = Instant::now();
    let mut command = checkout.command(&[]);
    command.env("NIX_CONFIG", config(&url));
    let evaluated = Evaluated::from_output(command.output().unwrap());
    let took = begun.elapsed();
    evaluated.assert_complete();
    assert_eq!(evaluated.jobs().count(), 60);
    assert!(evaluated.jobs().all(|job| job.cache_status == NotBuilt));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(visitors.load(Ordering::Relaxed) > 1);
    assert!(evaluated.warnings().len() <= 1, "{evaluated:#?}");
}

#[test]
fn a_daemon_that_hangs_ends_the_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    // Visitors wait in its queue for ever.
    let _daemon = UnixListener::bind(&socket).unwrap();
    let checkout = Checkout::of("small");
    let mut command = checkout.command(&["--max-silent", "2"]);
    command
        .env("NIX_REMOTE", "daemon")
        .env("NIX_DAEMON_SOCKET_PATH", &socket);
    let begun = Instant::now();
    let evaluated = Evaluated::from_output(command.output().unwrap());
    assert!(begun.elapsed() < Duration::from_secs(30), "{evaluated:#?}");
    evaluated.assert_fatal("the evaluator had said nothing for 2 s");
}
