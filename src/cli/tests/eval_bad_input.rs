//! `buildbot-nix eval` of flakes that want too much, and on machines that have too little.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use evaluation::{Checkout, Evaluated};

#[test]
fn a_list_of_20_gb_ends_one_attribute() {
    let checkout = Checkout::of("hard").with_attribute("huge");
    let evaluated = checkout.evaluate(&["--max-memory", "300", "--workers", "1"]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a", "z"]);
    assert_eq!(evaluated.failures()[0].0, "huge");
    let failure = evaluated.failure();
    if memory() < 20 << 20 {
        // The kernel refuses at once what nothing could ever hold.
        assert!(failure.ends_with("error: out of memory"), "{failure}");
        return;
    }
    assert!(failure.contains("evaluating `x86_64-linux.huge` was stopped because it used "));
    assert!(failure.contains("raise `eval_max_memory_size` (`--max-memory`), which is 300 MiB"));
}

/// Memory and swap of this machine, in KiB.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let lines = text.lines().map(|line| line.split_ascii_whitespace());
    let numbers = lines.filter_map(|mut words| match words.next()? {
        "MemTotal:" | "SwapTotal:" => words.next()?.parse::<u64>().ok(),
        _ => None,
    });
    numbers.sum()
}

#[test]
fn output_without_end_ends_one_attribute_and_fills_no_log() {
    let checkout = Checkout::of("hard").with_attribute("talkative");
    let evaluated = checkout.evaluate(&["--attribute-timeout", "3", "--workers", "1"]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a", "z"]);
    let failure = evaluated.failure();
    assert!(failure.contains("`x86_64-linux.talkative` was stopped after 3 s"));
    assert!(evaluated.log.len() < 10 << 20, "{}", evaluated.log.len());
}

#[test]
fn silence_ends_one_attribute() {
    let checkout = Checkout::of("hard").with_attribute("endless");
    let evaluated = checkout.evaluate(&["--max-silent", "5", "--workers", "1"]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["z"]);
    assert_eq!(
        evaluated.failure(),
        "evaluating `x86_64-linux.endless` was stopped because the evaluator had said nothing for \
         5 s; if it needs longer, raise `eval_max_silent_time` (`--max-silent`), which is 5 s"
    );
}

#[test]
fn output_is_no_silence() {
    let checkout = Checkout::of("hard").with_attribute("talkative");
    let evaluated = checkout.evaluate(&[
        "--max-silent",
        "5",
        "--attribute-timeout",
        "12",
        "--workers",
        "1",
    ]);
    let failure = evaluated.failure();
    assert!(failure.contains("`eval_attribute_timeout`"), "{failure}");
}

#[test]
fn a_flake_that_is_silent_for_ever_fails() {
    let limits = ["--max-silent", "5"];
    let checkout = Checkout::of("hard").with_attribute("stuck");
    checkout.evaluate(&limits).assert_fatal(
        "evaluating `stuck` was stopped because the evaluator had said nothing for 5 s",
    );
    let spin = "let spin = n: if n == 0 then 0 else spin (n - 1); in builtins.foldl' \
                (sum: _: sum + spin 5000) 0 (builtins.genList (x: x) 10000000)";
    let flake = format!("{{ outputs = _: builtins.seq ({spin}) {{ checks = {{ }}; }}; }}");
    Checkout::with_flake(&flake).evaluate(&limits).assert_fatal(
        "evaluating the flake was stopped because the evaluator had said nothing for 5 s",
    );
}

#[test]
fn text_that_is_no_utf_8_is_shown_as_far_as_it_is() {
    let checkout = Checkout::with_flake("");
    let flake = b"{ outputs = _: { checks.x86_64-linux = {
        traced = builtins.trace \"tr\xffaced\" (derivation
            { name = \"traced\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; });
        thrown = throw \"thr\xfeown\";
        odd = { \"na\xffme\" = throw \"inner\"; };
        z = derivation { name = \"z\"; system = \"x86_64-linux\"; builder = \"/bin/sh\"; };
    }; }; }";
    std::fs::write(checkout.path().join("flake.nix"), flake).unwrap();
    let evaluated = checkout.evaluate(&[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["traced", "z"]);
    let failures = evaluated.failures();
    let thrown = failures.iter().find(|(path, _)| path == "thrown").unwrap();
    assert!(thrown.1.contains("thr\u{fffd}own"), "{thrown:?}");
    assert!(
        evaluated.log.contains("tr\u{fffd}aced"),
        "{}",
        evaluated.log
    );
    assert_eq!(failures.len(), 2, "{failures:?}");
}

#[test]
fn the_time_for_many_attributes_grows_with_their_number() {
    let time = |number: u32| {
        let checkout = Checkout::with_flake(&format!(
            r#"{{
                outputs = _: let
                    name = number: "attribute${{toString number}}";
                    one = derivation {{ name = "one"; system = "x86_64-linux"; builder = "/bin/sh"; }};
                in {{
                    checks.x86_64-linux = builtins.listToAttrs (builtins.genList
                        (number: {{ name = name number; value = one; }}) {number});
                }};
            }}"#
        ));
        let started = Instant::now();
        let evaluated = checkout.evaluate(&[]);
        evaluated.assert_complete();
        assert_eq!(evaluated.jobs().count(), number as usize);
        started.elapsed()
    };
    let (few, many) = (time(5_000), time(50_000));
    // Ten times as much work; with squares it would be a hundred.
    let most = few * 25 + Duration::from_secs(5);
    assert!(many < most, "5,000: {few:?}, 50,000: {many:?}");
}

#[test]
fn output_that_cannot_be_written_stops_it() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let checkout = Checkout::of("hard").with_attribute("crash");
    let run = |command: &mut Command| command.output().unwrap().status.code();
    assert_eq!(run(checkout.command(&[]).stdout(full())), Some(4));
    // A log that cannot be written is no reason to stop.
    let output = checkout.command(&[]).stderr(full()).output().unwrap();
    let evaluated = Evaluated::from_output(output);
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a", "z"]);
}

const COMMIT: [&str; 8] = [
    "-c",
    "user.name=Alice",
    "-c",
    "user.email=alice@example.org",
    "commit",
    "--quiet",
    "--message",
    "x",
];

/// What comes of an evaluation where the folder `full` has no space left.
fn with_full(checkout: &Checkout, full: &str, arguments: &[&str], variable: &str) -> Evaluated {
    let inner = checkout.command(arguments);
    let output = Command::new("bwrap")
        .args(["--dev-bind", "/", "/", "--size", "4096", "--tmpfs", full])
        .args([
            "sh",
            "-c",
            "cat /dev/zero >\"$0/filler\"; exec \"$@\"",
            full,
        ])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(variable, full)
        .output();
    let mut output = output.unwrap();
    // What the shell says of its filler.
    let own = output.stderr.iter().position(|byte| *byte == b'\n');
    output.stderr.drain(..=own.unwrap());
    Evaluated::from_output(output)
}

#[test]
fn a_full_disk_is_named() {
    let full = tempfile::tempdir().unwrap();
    let full = full.path().to_str().unwrap();
    let checkout = Checkout::of("hard").with_attribute("ci.\"a.b\"");
    for arguments in [&["init", "--quiet"][..], &["add", "--all"], &COMMIT] {
        let mut git = Command::new("git");
        let status = git.args(arguments).current_dir(checkout.path()).status();
        assert!(status.unwrap().success());
    }
    // The result is not remembered, but it is a result.
    let evaluated = with_full(&checkout, full, &["--cache-dir", full], "UNUSED");
    evaluated.assert_complete();
    assert_eq!(evaluated.job_names(), ["a"]);
    let warnings = evaluated.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("the result is not remembered: cannot write "));
    assert!(warnings[0].contains("No space left"), "{warnings:?}");
    // Without a folder of its own it cannot begin, which is not the flake's fault.
    let evaluated = with_full(&checkout, full, &[], "TMPDIR");
    assert_eq!(evaluated.code, Some(3), "{evaluated:#?}");
    assert!(
        evaluated.fatal().0.contains("No space left"),
        "{evaluated:#?}"
    );
}
