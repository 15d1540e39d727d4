//! `buildbot-nix eval` with a nix-eval-jobs that replays a recording, and for people.

mod evaluation;

use std::collections::BTreeSet;
use std::process::Command;

use buildbot_nix_core::machine_line::Line;

use evaluation::{Checkout, Evaluated};

/// What the two engines must agree on. Traces differ, causes do not.
fn results(evaluated: &Evaluated) -> BTreeSet<String> {
    let jobs = evaluated.jobs().map(|job| {
        format!(
            "{:?} {} {} {} {:?}",
            job.attr_path, job.name, job.system, job.drv_path, job.outputs
        )
    });
    let failures = evaluated.failures().into_iter();
    let failures = failures.map(|(path, error)| {
        let cause = error.lines().rfind(|line| line.contains("error:"));
        format!("{path}: {}", cause.unwrap_or_default().trim())
    });
    jobs.chain(failures).collect()
}

fn engine(evaluated: &Evaluated) -> &str {
    match evaluated.lines.first() {
        Some(Line::Start(start)) => &start.engine,
        _ => panic!("{evaluated:#?}"),
    }
}

#[test]
fn both_engines_agree() {
    let checkout = Checkout::of("small");
    let nix = checkout.evaluate(&["--engine", "auto"]);
    nix.assert_complete();
    let jobs = checkout.evaluate_with_fake("complete", &[]);
    jobs.assert_complete();
    assert_eq!((engine(&nix), engine(&jobs)), ("nix", "nix-eval-jobs"));
    assert_eq!(results(&jobs), results(&nix));
    assert_eq!(jobs.warnings(), Vec::<&str>::new());
    let edges = |evaluated: &Evaluated| {
        let fails = evaluated.job("x86_64-linux\nfails").drv_path.clone();
        evaluated.job("x86_64-linux\ndep").needs.contains(&fails)
            || evaluated.job("x86_64-linux\nfails").needed_by.len() == 1
    };
    assert!(edges(&nix) && edges(&jobs));
}

#[test]
fn whatever_happens_to_nix_eval_jobs_nothing_is_lost() {
    let checkout = Checkout::of("small");
    let expected = results(&checkout.evaluate(&[]));
    for (mode, warning) in [
        ("garbage", "nix-eval-jobs printed a line that is no result"),
        ("half", "nix-eval-jobs printed a line that is no result"),
        ("fails", "nix-eval-jobs ended with exit status 1"),
        ("killed", "nix-eval-jobs ended with signal 9 (SIGKILL)"),
        (
            "half-killed",
            "nix-eval-jobs printed a line that is no result",
        ),
        ("long", "nix-eval-jobs printed a line that is no result"),
        ("invalid", "nix-eval-jobs printed a line that is no result"),
        (
            "silent",
            "nix-eval-jobs gave no result for 2 s, which is `eval_attribute_timeout`",
        ),
    ] {
        let limit = if mode == "silent" { "2" } else { "60" };
        let evaluated = checkout.evaluate_with_fake(mode, &["--attribute-timeout", limit]);
        evaluated.assert_complete();
        assert_eq!(results(&evaluated), expected, "{mode}");
        let warnings = evaluated.warnings();
        assert_eq!(warnings.len(), 1, "{mode}: {warnings:?}");
        assert!(warnings[0].starts_with(warning), "{mode}: {warnings:?}");
    }
}

#[test]
fn lines_that_come_twice_count_once() {
    let evaluated = Checkout::of("small").evaluate_with_fake("twice", &[]);
    evaluated.assert_complete();
    assert_eq!(evaluated.jobs().count() + evaluated.failures().len(), 6);
}

#[test]
fn nix_eval_jobs_is_called_without_trust() {
    let evaluated = Checkout::of("small").evaluate_with_fake("complete", &["--max-memory", "99"]);
    let call = evaluated
        .log
        .lines()
        .find(|line| line.starts_with("fake nix-eval-jobs"))
        .unwrap();
    for argument in [
        "accept-flake-config false",
        "--force-recurse",
        "--max-memory-size 99",
        "#checks",
    ] {
        assert!(call.contains(argument), "{argument}: {call}");
    }
    assert!(!call.contains("--check-cache-status"), "{call}");
}

#[test]
fn derivations_can_be_kept() {
    let checkout = Checkout::of("small");
    let roots = tempfile::tempdir().unwrap();
    let folder = roots.path().join("new/folder");
    let evaluated = checkout.evaluate(&["--gc-roots-dir", folder.to_str().unwrap()]);
    evaluated.assert_complete();
    assert_eq!(evaluated.warnings(), Vec::<&str>::new());
    let printed = Command::new("nix-store")
        .args(["--gc", "--print-roots"])
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    for job in evaluated.jobs() {
        let drv = job.drv_path.as_str();
        let link = folder.join(drv.rsplit('/').next().unwrap());
        assert_eq!(std::fs::read_link(link).unwrap().to_str(), Some(drv));
        let is_root = |line: &str| line.contains(folder.to_str().unwrap()) && line.ends_with(drv);
        assert!(printed.lines().any(is_root), "{drv}: {printed}");
    }
}

#[test]
fn a_list_for_people() {
    let checkout = Checkout::of("systems");
    let output = Command::new(env!("CARGO_BIN_EXE_buildbot-nix"))
        .args([
            "eval",
            "--engine",
            "nix",
            "--systems",
            "x86_64-linux,aarch64-linux",
        ])
        .current_dir(checkout.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(
        lines[..2],
        ["aarch64-linux.b: to build", "x86_64-linux.a: to build"]
    );
    assert!(
        stdout.contains("\naarch64-linux.c: failed\n  error:"),
        "{stdout}"
    );
    assert_eq!(lines.last(), Some(&"2 to build, 1 failed"));
}

#[test]
fn mistakes_on_the_command_line() {
    for arguments in [
        &["eval", ".#a..b"][..],
        &["eval", "--systems", "linux"],
        &["eval", "--checkout", ".", "."],
        &["eval", "--engine", "make"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_buildbot-nix"))
            .args(arguments)
            .output();
        assert_eq!(output.unwrap().status.code(), Some(2), "{arguments:?}");
    }
}
