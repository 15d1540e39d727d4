//! Several `buildbot-nix eval` on one machine.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use buildbot_nix_core::process::Leftovers;
use evaluation::{Checkout, Evaluated};
use rustix::process::{Pid, Signal, kill_process};

/// An agent that evaluates for a long time, one short attribute after the other.
struct Agent {
    _checkout: Checkout,
    process: Child,
}

impl Agent {
    fn start(runtime: &Path) -> Self {
        let checkout = Checkout::of("hard").with_attribute("many");
        let process = checkout
            .command(&["--max-memory", "500"])
            .env("XDG_RUNTIME_DIR", runtime)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            _checkout: checkout,
            process: process.unwrap(),
        }
    }

    fn evaluators(&self) -> usize {
        let processes = Leftovers::below(self.process.id());
        let is_evaluator = |id: &u32| {
            let command = std::fs::read_to_string(format!("/proc/{id}/cmdline"));
            command.is_ok_and(|command| command.split('\0').any(|word| word == "repl"))
        };
        processes.ids().filter(is_evaluator).count()
    }

    fn end(mut self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.process.wait().unwrap();
    }
}

#[track_caller]
fn wait_until(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn evaluations_share_the_cores_of_a_machine() {
    let runtime = tempfile::tempdir().unwrap();
    let cores = std::thread::available_parallelism().unwrap().get();
    let (alone, shared) = (cores.min(4), cores.div_ceil(2).min(4));
    let first = Agent::start(runtime.path());
    wait_until(|| first.evaluators() == alone);
    let second = Agent::start(runtime.path());
    wait_until(|| first.evaluators() == shared && second.evaluators() == shared);
    // Also one that leaves without a word makes room.
    second.end(Signal::KILL);
    wait_until(|| first.evaluators() == alone);
    let leases = || std::fs::read_dir(runtime.path().join("buildbot-nix")).unwrap();
    assert_eq!(leases().count(), 1);
    first.end(Signal::TERM);
    assert_eq!(leases().count(), 0);
}

#[test]
fn an_evaluation_that_cannot_be_noted_says_so() {
    let temporary = tempfile::tempdir().unwrap();
    let user = rustix::process::getuid().as_raw();
    let folder = temporary.path().join(format!("buildbot-nix-{user}"));
    let evaluate = || {
        let checkout = Checkout::of("hard").with_attribute("crash");
        let output = checkout
            .command(&[])
            .env("XDG_RUNTIME_DIR", temporary.path().join("missing"))
            .env("TMPDIR", temporary.path())
            .output();
        Evaluated::from_output(output.unwrap())
    };
    std::fs::write(&folder, "").unwrap();
    let evaluated = evaluate();
    evaluated.assert_complete();
    let warnings = evaluated.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let expected = "other evaluations on this machine are not taken into account: cannot note ";
    assert!(warnings[0].starts_with(expected), "{warnings:?}");

    std::fs::remove_file(&folder).unwrap();
    assert_eq!(evaluate().warnings(), Vec::<&str>::new());
    assert!(folder.is_dir());
}
