//! `buildbot-nix eval` with a nix-eval-jobs that replays a recording, and for people.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod evaluation;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;

use buildbot_nix_core::machine_line::Line;
use tempfile::NamedTempFile;

use evaluation::{Checkout, Evaluated, Fake};

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

/// What nix-eval-jobs 2.35 would print for what is below `prefix`: it evaluates all systems, and
/// looks into every set (`--force-recurse`).
fn recording_of(checkout: &Checkout, prefix: Option<&str>) -> NamedTempFile {
    let all = checkout.evaluate(&["--systems", "all"]);
    let mut file = NamedTempFile::new().unwrap();
    let mut write = |path: &[String], mut line: serde_json::Value| {
        let below = match prefix {
            Some(prefix) => path.split_first().filter(|(first, _)| *first == prefix),
            None => Some((&path[0], path)),
        };
        if let Some((_, path)) = below {
            line["attrPath"] = path.into();
            line["stats"] = serde_json::json!({ "wallMs": 1500, "allocBytes": 7 << 20 });
            writeln!(file, "{line}").unwrap();
        }
    };
    for line in &all.lines {
        match line {
            Line::Job(job) => write(
                job.attr_path.components(),
                serde_json::json!({
                    "drvPath": job.drv_path, "name": job.name, "outputs": job.outputs,
                    "system": job.system,
                }),
            ),
            Line::Failed(failed) => write(
                failed.attr_path.components(),
                serde_json::json!({ "error": failed.error }),
            ),
            _ => {}
        }
    }
    file
}

/// What is for other systems, in words.
fn skipped(evaluated: &Evaluated) -> Vec<String> {
    let lines = evaluated.lines.iter();
    let skipped = lines.filter_map(|line| match line {
        Line::Skipped(it) => Some(format!(
            "{}: {:?} {:?}",
            it.system, it.attributes, it.attr_paths
        )),
        _ => None,
    });
    skipped.collect()
}

/// `checks` has a set for each system, `hydraJobs` sets with derivations for several.
#[rstest::rstest]
#[case("checks", Some("x86_64-linux"), &["a"], &["aarch64-linux: Some(2) []", "x86_64-darwin: None []"])]
#[case("hydraJobs", None, &["build-static", "tests.b"], &[r#"aarch64-linux: Some(1) [AttrPath(["tests", "a"])]"#])]
fn both_engines_leave_out_other_systems(
    #[case] attribute: &str,
    #[case] prefix: Option<&str>,
    #[case] names: &[&str],
    #[case] others: &[&str],
) {
    let checkout = Checkout::of("systems").with_attribute(attribute);
    let recording = recording_of(&checkout, prefix);
    let nix = checkout.evaluate(&[]);
    let jobs = checkout.evaluate_with_recording("complete", recording.path(), &[]);
    assert_eq!((engine(&nix), engine(&jobs)), ("nix", "nix-eval-jobs"));
    for evaluated in [&nix, &jobs] {
        evaluated.assert_complete();
        let mut found: Vec<String> = evaluated.jobs().map(|job| job.attr.clone()).collect();
        found.sort_unstable();
        let expected = names.iter().map(|name| match prefix {
            Some(prefix) => format!("{prefix}.{name}"),
            None => (*name).to_owned(),
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
        assert_eq!(skipped(evaluated), others, "{evaluated:#?}");
        assert_eq!(evaluated.warnings(), [""; 0]);
    }
    // Systems that are told by their names are not even evaluated.
    let calls: Vec<&str> = jobs
        .log
        .lines()
        .filter(|line| line.starts_with("trace: fake "))
        .collect();
    let evaluated = prefix.map_or(format!("#{attribute}"), |it| format!("#{attribute}.{it}"));
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].ends_with(&evaluated), "{calls:?}");
}

#[test]
fn both_engines_look_into_every_set() {
    let checkout = Checkout::of("odd");
    let recording = recording_of(&checkout, None);
    let nix = checkout.evaluate(&[]);
    let jobs = checkout.evaluate_with_recording("complete", recording.path(), &[]);
    jobs.assert_complete();
    assert!(
        nix.job_names().contains(&"nested.deep.deeper".to_owned()),
        "{nix:#?}"
    );
    assert_eq!(jobs.job_names(), nix.job_names());
    let names = |evaluated: &Evaluated| -> Vec<String> {
        evaluated
            .failures()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(names(&jobs), names(&nix));
}

#[test]
fn nix_eval_jobs_tells_what_is_large() {
    let checkout = Checkout::of("systems").with_attribute("hydraJobs");
    let recording = recording_of(&checkout, None);
    let jobs = checkout.evaluate_with_recording("complete", recording.path(), &["--workers", "3"]);
    let Some(Line::Statistics(statistics)) = jobs.lines.iter().rev().nth(1) else {
        panic!("{jobs:#?}");
    };
    assert_eq!(statistics.evaluators, 3);
    assert_eq!(statistics.largest.len(), 3, "{statistics:?}");
    let first = &statistics.largest[0];
    assert_eq!(
        (first.attr.as_str(), first.bytes),
        ("build-static", 7 << 20)
    );
    assert!(statistics.slowest.iter().all(|slow| slow.seconds >= 0.001));
    assert!(
        (statistics.slowest[0].seconds - 1.5).abs() < 0.001,
        "{statistics:?}"
    );
}

#[test]
fn whatever_happens_to_nix_eval_jobs_nothing_is_lost() {
    let checkout = Checkout::of("small");
    let expected = results(&checkout.evaluate(&[]));
    for (mode, warning) in [
        ("garbage", "nix-eval-jobs printed a line that is no result"),
        ("half", "nix-eval-jobs printed a line that is no result"),
        ("fails", "nix-eval-jobs ended with exit status 1"),
        ("fatal", "nix-eval-jobs ended with exit status 1"),
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

/// It does not say for which attribute something was fetched.
#[test]
fn failures_of_nix_eval_jobs_are_remembered_if_nothing_was_fetched() {
    let checkout = Checkout::of("small");
    let commit = "init --quiet && git add . && git -c user.name=a -c user.email=a@example.org commit --quiet -m x";
    let status = Command::new("sh")
        .args(["-c", &format!("git {commit}")])
        .current_dir(checkout.path())
        .status();
    assert!(status.unwrap().success());
    let recordings = tempfile::tempdir().unwrap();
    let recording = recordings.path().join("small.jsonl");
    std::fs::copy(
        evaluation::tests().join("fixtures/eval/small.jsonl"),
        &recording,
    )
    .unwrap();
    let fake = Fake::new("complete", &recording);
    let is_reused_after = |said: &str| {
        std::fs::write(recording.with_extension("err"), said).unwrap();
        let cache = tempfile::tempdir().unwrap();
        let arguments = ["--cache-dir", cache.path().to_str().unwrap()];
        checkout.evaluate_by(&fake, &arguments).assert_complete();
        let again = checkout.evaluate_by(&fake, &arguments);
        (again.lines.iter()).any(|line| matches!(line, Line::Reused { .. }))
    };
    assert!(is_reused_after(
        "trace: nothing\n\u{1b}[31;1merror:\u{1b}[0m boom\n"
    ));
    assert!(!is_reused_after(
        "unpacking 'http://example.org/x' into the Git cache...\n"
    ));
    assert!(!is_reused_after(
        "fatal: unable to access 'http://example.org/x/'\n"
    ));
}

#[test]
fn nix_eval_jobs_is_called_without_trust() {
    let arguments = ["--max-memory", "99", "--show-trace"];
    let evaluated = Checkout::of("small").evaluate_with_fake("complete", &arguments);
    let call = evaluated
        .log
        .lines()
        .find(|line| line.starts_with("trace: fake nix-eval-jobs"))
        .unwrap();
    for argument in [
        "accept-flake-config false",
        "--force-recurse",
        "--max-memory-size 99",
        "--show-trace",
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
