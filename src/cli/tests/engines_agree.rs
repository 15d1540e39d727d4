//! Both engines say the same of the same flakes.

mod evaluation;

use std::collections::BTreeSet;

use buildbot_nix_core::machine_line::Line;
use evaluation::{Checkout, Evaluated};
use rstest::rstest;

/// What lines say beside how it was found out. Traces differ, causes do not.
#[derive(Debug, PartialEq, Eq)]
struct Results {
    jobs: BTreeSet<String>,
    failures: BTreeSet<String>,
    /// Which derivation needs which, directly or not. Which line tells depends on their order.
    edges: BTreeSet<(String, String)>,
    skipped: BTreeSet<String>,
}

impl Results {
    fn of(evaluated: &Evaluated) -> Self {
        evaluated.assert_complete();
        let jobs = evaluated.jobs().map(|job| {
            format!(
                "{:?} {} {} {} {} {:?}",
                job.attr_path, job.attr, job.name, job.system, job.drv_path, job.outputs
            )
        });
        let failures = evaluated.failures();
        Self {
            jobs: jobs.collect(),
            failures: failures
                .iter()
                .map(|(path, error)| format!("{path}: {}", cause(error)))
                .collect(),
            edges: edges(evaluated),
            skipped: evaluated
                .skipped()
                .iter()
                .map(|skipped| format!("{skipped:?}"))
                .collect(),
        }
    }
}

/// The end of Nix's own errors. What we say of odd derivations ourselves, nix-eval-jobs says in
/// its own words.
fn cause(error: &str) -> &str {
    let ours = [
        "is no derivation that can be built",
        "is not in the Nix store",
        "expected a string",
        // Of a file that is forbidden, newer versions name the folder.
        "is forbidden in pure evaluation mode",
    ];
    let cause = error.lines().rfind(|line| line.contains("error:"));
    let cause = cause.unwrap_or(error).trim();
    if ours.iter().any(|text| cause.contains(text)) {
        ""
    } else {
        cause
    }
}

fn edges(evaluated: &Evaluated) -> BTreeSet<(String, String)> {
    let mut edges = BTreeSet::new();
    for job in evaluated.jobs() {
        let this = job.drv_path.to_string();
        edges.extend(
            job.needs
                .iter()
                .map(|needed| (this.clone(), needed.to_string())),
        );
        edges.extend(
            job.needed_by
                .iter()
                .map(|user| (user.to_string(), this.clone())),
        );
    }
    loop {
        let more: Vec<_> = edges
            .iter()
            .flat_map(|(a, b)| {
                edges
                    .iter()
                    .filter(move |(c, _)| b == c)
                    .map(move |(_, d)| (a, d))
            })
            .map(|(a, d)| (a.clone(), d.clone()))
            .collect();
        let before = edges.len();
        edges.extend(more);
        if edges.len() == before {
            return edges;
        }
    }
}

fn engine(evaluated: &Evaluated) -> &str {
    match evaluated.lines.first() {
        Some(Line::Start(start)) => &start.engine,
        _ => panic!("{evaluated:#?}"),
    }
}

/// What the flake warns of.
fn warnings(evaluated: &Evaluated) -> BTreeSet<&str> {
    let warnings = evaluated.warnings().into_iter();
    warnings
        .filter(|it| !it.contains("nix-eval-jobs"))
        .collect()
}

/// Checks that nix-eval-jobs found what Nix finds.
fn assert_agrees(jobs: &Evaluated, nix: &Evaluated, flake: &str) {
    assert_eq!(engine(jobs), "nix-eval-jobs");
    assert_eq!(Results::of(jobs), Results::of(nix));
    assert_eq!(warnings(jobs), warnings(nix));
    for text in ["error: boom", "evaluation warning"] {
        let count = |evaluated: &Evaluated| evaluated.log.matches(text).count();
        assert_eq!(count(jobs), count(nix), "{text}: {}\n{}", jobs.log, nix.log);
    }
    // Nix helps out where nix-eval-jobs would not come to an end.
    let all = jobs.warnings().into_iter();
    let of_jobs: Vec<_> = all.filter(|it| it.contains("nix-eval-jobs")).collect();
    assert_eq!(of_jobs.len(), usize::from(flake == "loops"), "{of_jobs:?}");
}

/// With recordings of nix-eval-jobs, see tests/fixtures/eval/README.md, and with a real one where
/// there is one on PATH.
#[rstest]
fn both_engines_agree(#[values("small", "names", "odd", "systems", "talk", "loops")] flake: &str) {
    let checkout = Checkout::of(flake);
    let nix = checkout.evaluate(&[]);
    assert_eq!(engine(&nix), "nix");
    let recording = evaluation::tests().join(format!("fixtures/eval/{flake}.jsonl"));
    let jobs = checkout.evaluate_with_recording("complete", &recording, &[]);
    assert_agrees(&jobs, &nix, flake);
    if evaluation::has_eval_jobs() {
        let jobs = checkout.evaluate(&["--engine", "nix-eval-jobs"]);
        assert_agrees(&jobs, &nix, flake);
    }
}
