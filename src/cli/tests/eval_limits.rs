//! `buildbot-nix eval` when attributes, or somebody else, end evaluators.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use buildbot_nix_core::eval::host_system;
use rustix::process::{Pid, Signal, kill_process};

use evaluation::{Checkout, Evaluated};

#[test]
fn a_crash_ends_one_attribute() {
    let evaluated = Checkout::of("hard")
        .with_attribute("crash")
        .evaluate(&["--workers", "1"]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a", "z"]);
    // Newer versions of Nix notice what ends the process of older ones.
    let failure = evaluated.failure();
    assert!(
        failure.starts_with("the evaluator ended with ")
            || failure.ends_with("stack overflow; max-call-depth exceeded"),
        "{evaluated:#?}"
    );
}

#[test]
fn an_attribute_that_takes_too_long_fails_alone() {
    let evaluated = Checkout::of("hard").with_attribute("endless").evaluate(&[
        "--attribute-timeout",
        "1",
        "--workers",
        "1",
    ]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["z"]);
    assert_eq!(
        evaluated.failure(),
        "evaluating `x86_64-linux.endless` was stopped after 1 s; if it needs longer, raise \
         `eval_attribute_timeout` (`--attribute-timeout`), which is 1 s"
    );
}

#[test]
fn an_attribute_that_needs_too_much_memory_fails_alone() {
    let evaluated = Checkout::of("hard").with_attribute("large").evaluate(&[
        "--max-memory",
        "400",
        "--workers",
        "1",
    ]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a", "z"]);
    assert!(
        evaluated
            .failure()
            .contains("raise `eval_max_memory_size` (`--max-memory`), which is 400 MiB"),
        "{evaluated:#?}"
    );
}

#[test]
fn a_whole_evaluation_that_takes_too_long_ends() {
    let checkout = Checkout::of("hard").with_attribute("endless");
    // Long enough to load the flake, also on a busy machine.
    let evaluated = checkout.evaluate(&["--timeout", "8"]);
    evaluated.assert_fatal(
        "the evaluation was stopped after 8 s, when it was at `x86_64-linux.endless`",
    );
    assert_eq!(
        evaluated.fatal().1,
        Some("if it needs longer, raise `eval_timeout` (`--timeout`), which is 8 s")
    );
    assert_eq!(evaluators(&checkout), []);
}

#[test]
fn evaluators_killed_from_outside_twice_cost_one_attribute() {
    for (attribute, jobs) in [("endless", ["z"]), ("late", ["a"])] {
        let checkout = Checkout::of("hard").with_attribute(attribute);
        let running = checkout
            .command(&["--workers", "1", "--attribute-timeout", "20"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let first = wait_for_evaluation(&checkout);
        kill_process(first, Signal::KILL).unwrap();
        wait_until(|| evaluators(&checkout).iter().any(|pid| *pid != first));
        let second = wait_for_evaluation(&checkout);
        kill_process(second, Signal::KILL).unwrap();
        let evaluated = Evaluated::from_output(running.unwrap().wait_with_output().unwrap());
        evaluated.assert_complete();
        assert_eq!(evaluated.job_names(), jobs);
        let failure = evaluated.failure();
        assert!(
            failure.contains("ended with signal 9 (SIGKILL) each time"),
            "{failure}"
        );
    }
}

#[test]
fn an_attribute_whose_evaluator_was_killed_from_outside_gets_a_second_chance() {
    let checkout = Checkout::of("hard").with_attribute("slow");
    let running = checkout
        .command(&["--workers", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    kill_process(wait_for_evaluation(&checkout), Signal::KILL).unwrap();
    let evaluated = Evaluated::from_output(running.unwrap().wait_with_output().unwrap());
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["slow", "z"]);
}

#[test]
fn a_signal_stops_it_and_leaves_nothing_behind() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let checkout = Checkout::of("hard").with_attribute("endless");
        let mut command = checkout.command(&[]);
        // As a Buildbot worker does: a group of its own for the command.
        command.process_group(0);
        let running = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_evaluation(&checkout);
        let agent = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
        let begun = Instant::now();
        kill_process(agent, signal).unwrap();
        let evaluated = Evaluated::from_output(running.wait_with_output().unwrap());
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(evaluated.code, Some(4), "{evaluated:#?}");
        assert_eq!(evaluated.fatal().0, "stopped");
        assert_eq!(evaluators(&checkout), []);
    }
}

/// A checkout whose evaluation has to build what no store has seen before.
fn with_imports(attribute: &str) -> (Checkout, String) {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let salt = format!("imports-{}-{}", std::process::id(), time.as_nanos());
    let checkout = Checkout::of("imports").with_attribute(attribute);
    let file = checkout.path().join("flake.nix");
    let flake = std::fs::read_to_string(&file).unwrap();
    let system = host_system().unwrap();
    let flake = flake
        .replace("SALT", &salt)
        .replace("SYSTEM", system.as_str());
    std::fs::write(file, flake.replace("x86_64-linux", system.as_str())).unwrap();
    (checkout, salt)
}

#[test]
fn what_an_evaluation_imports_is_built_once() {
    let (checkout, _) = with_imports("checks");
    let evaluated = checkout.evaluate(&["--systems", "all"]);
    evaluated.assert_complete();
    let names: Vec<&str> = evaluated.jobs().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["imported"]);
    assert!(
        evaluated.failure().contains("import-fails"),
        "{evaluated:#?}"
    );
    // Not again for the sake of a better error.
    let words = evaluated.log.matches("\nthe last words\n").count();
    assert_eq!(words, 1, "{evaluated:#?}");
    assert_eq!(
        evaluated.log.matches("building '").count(),
        2,
        "{evaluated:#?}"
    );
}

#[test]
fn builders_of_an_evaluation_end_with_it() {
    let (checkout, salt) = with_imports("slow");
    let running = checkout
        .command(&["--systems", "all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(|| builders(&salt) > 0);
    let agent = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(agent, Signal::TERM).unwrap();
    let evaluated = Evaluated::from_output(running.wait_with_output().unwrap());
    assert_eq!(evaluated.code, Some(4), "{evaluated:#?}");
    wait_until(|| builders(&salt) == 0);
}

#[test]
fn a_build_of_an_evaluation_takes_the_time_of_its_attribute() {
    let (checkout, salt) = with_imports("slow");
    let limits = ["--systems", "all", "--attribute-timeout", "4"];
    let evaluated = checkout.evaluate(&limits);
    evaluated.assert_complete();
    assert!(
        evaluated
            .failure()
            .contains("slow` was stopped after 4 s; if it needs longer, raise"),
        "{evaluated:#?}"
    );
    wait_until(|| builders(&salt) == 0);
}

/// Number of processes with `salt` in their environment.
fn builders(salt: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let environments = processes.filter_map(|it| std::fs::read(it.path().join("environ")).ok());
    environments
        .filter(|it| String::from_utf8_lossy(it).contains(salt))
        .count()
}

#[test]
fn a_job_is_told_while_others_are_evaluated() {
    let checkout = Checkout::of("hard").with_attribute("late");
    let mut running = checkout
        .command(&["--workers", "1", "--attribute-timeout", "25"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    assert!(lines.any(|line| line.contains(r#""type":"job""#)));
    let agent = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(agent, Signal::TERM).unwrap();
    // The other attribute had not ended.
    let rest: Vec<String> = lines.collect();
    let is_result = |line: &String| line.contains(r#""type":"failed""#);
    assert!(!rest.iter().any(is_result), "{rest:?}");
    assert_eq!(running.wait().unwrap().code(), Some(4));
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let checkout = Checkout::of("odd");
    let mut running = checkout
        .command(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(running.stdout.take());
    let mut log = String::new();
    running
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(running.wait().unwrap().code(), Some(4));
}

/// Processes that have the checkout in their command line, other than buildbot-nix.
fn evaluators(checkout: &Checkout) -> Vec<Pid> {
    let name = checkout.path().file_name().unwrap().to_str().unwrap();
    let name = name.replace(' ', "%20");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let evaluators = processes.filter_map(|process| {
        let command = std::fs::read(process.path().join("cmdline")).ok()?;
        let is_evaluator = String::from_utf8_lossy(&command).contains(&name);
        is_evaluator.then(|| Pid::from_raw(process.file_name().to_str()?.parse().ok()?))?
    });
    evaluators.collect()
}

/// Waits until an evaluator has worked for a while, and is in an attribute that does not end.
fn wait_for_evaluation(checkout: &Checkout) -> Pid {
    let mut found = None;
    wait_until(|| {
        found = evaluators(checkout).into_iter().find(|pid| {
            // Ticks of user time; loading a flake takes a tenth of that.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
            let ticks = fields.split_ascii_whitespace().nth(11);
            ticks.is_some_and(|ticks| ticks.parse::<u64>().unwrap() > 50)
        });
        found.is_some()
    });
    found.unwrap()
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_flake_without_end_is_given_up() {
    let checkout = Checkout::with_flake(
        r#"{
            outputs = { self }: {
                checks = builtins.listToAttrs (builtins.genList (number: {
                    name = "set${toString number}";
                    value = self.checks;
                }) 20);
            };
        }"#,
    );
    checkout
        .evaluate(&[])
        .assert_fatal("has more than 250000 attributes");
    assert_eq!(evaluators(&checkout), []);
}
