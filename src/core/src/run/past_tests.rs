//! What is known from before: failures that are remembered, and runs that go on.

use insta::assert_snapshot;

use super::tests::{done, drv, job, run_of};
use super::*;
use crate::nix::AttrPath;
use crate::report;

/// A run that asks, with the answers that are due.
fn asking(lines: impl IntoIterator<Item = Line>, failed: &[&str]) -> (Run, Vec<String>) {
    let mut run = Run::asking();
    for line in lines {
        run.take_line(line);
    }
    let asked = run.take_questions();
    let known = failed.iter().map(|name| {
        let url = format!("http://ci/{name}");
        let failed_at = 1_700_000_000;
        (drv(name).parse().unwrap(), Remembered { url, failed_at })
    });
    run.answer(&known.collect());
    (run, asked.iter().map(ToString::to_string).collect())
}

#[test]
fn what_failed_before_is_not_built_nor_is_what_needs_it() {
    let lines = [
        job("a", "a", CacheStatus::NotBuilt, &[]),
        job("there", "there", CacheStatus::Local, &[]),
        job("needs-a", "needs-a", CacheStatus::Cached, &["a"]),
        job("b", "b", CacheStatus::NotBuilt, &[]),
        job("also-a", "a", CacheStatus::NotBuilt, &[]),
    ];
    let (mut run, asked) = asking(lines, &["a", "there"]);
    assert_eq!(asked, ["a", "needs-a", "b", "a"].map(drv));
    assert_eq!(run.take_ready(9), [3]);
    run.finish(3, BuildResult::Succeeded, None, None);
    run.take_line(done());
    let recorded = run.take_unbuilt();
    assert_eq!(
        recorded
            .iter()
            .map(|it| it.attribute.attr.as_str())
            .collect::<Vec<_>>(),
        ["a", "needs-a", "also-a"]
    );
    assert_eq!(recorded[1].cause_url.as_deref(), Some("http://ci/a"));
    let told = report::unbuilt(&recorded[0]);
    assert_eq!((told.step, told.is_html), ("Cached failure", true));
    assert!(
        told.log.contains("<a href=\"http://ci/a\">"),
        "{}",
        told.log
    );
    assert_snapshot!(report::text(&run), @r"
    ✗ a failed before
        at 2023-11-14 22:13 UTC, and was not tried again: http://ci/a
        http://ci/a
    ✗ also-a failed before
        at 2023-11-14 22:13 UTC, and was not tried again: http://ci/a
        http://ci/a
    ✗ needs-a was not built
        it needs a, which failed
    ✗ 2 failed before, 1 with a failed dependency, 1 built, 1 already there
    ");
}

#[test]
fn nothing_is_built_before_the_answer() {
    let mut run = Run::asking();
    run.take_line(job("a", "a", CacheStatus::NotBuilt, &[]));
    assert_eq!(run.take_questions().len(), 1);
    run.take_line(job("b", "b", CacheStatus::NotBuilt, &["a"]));
    run.take_line(done());
    run.end_of_evaluation(Some(0)).unwrap();
    assert!(run.take_questions().is_empty(), "one question at a time");
    assert!(!run.has_ready() && !run.is_finished());
    run.answer(&HashMap::new());
    assert_eq!(run.take_ready(9), [0]);
    assert_eq!(run.take_questions().len(), 1);
    run.answer(&HashMap::new());
    run.finish(0, BuildResult::Failed, None, None);
    assert!(run.is_finished());
    assert_eq!(run.tally().dependency_failed, 1, "edges are not lost");
}

#[test]
fn what_is_there_needs_no_answer_and_what_is_cancelled_waits_for_none() {
    let mut run = Run::asking();
    for n in 0..2500 {
        let name = format!("n{n}");
        run.take_line(job(&name, &name, CacheStatus::Local, &[]));
    }
    assert!(run.take_questions().is_empty());
    assert_eq!(run.tally().already_there, 2500);
    run.take_line(job("a", "a", CacheStatus::NotBuilt, &[]));
    assert_eq!(run.take_questions().len(), 1);
    run.cancel();
    run.take_line(job("b", "b", CacheStatus::NotBuilt, &[]));
    run.end_of_evaluation(None).ok();
    assert!(run.is_finished());
    assert_eq!(run.tally().cancelled, 2);
    run.answer(&HashMap::new());
    assert_eq!(run.tally().cancelled, 2, "a late answer");
}

#[test]
fn only_a_builder_of_its_own_is_in_vain() {
    let run = run_of([
        job("a", "a", CacheStatus::NotBuilt, &[]),
        job("b", "b", CacheStatus::NotBuilt, &["a"]),
    ]);
    let path = |name: &str| Some(drv(name).parse::<DrvPath>().unwrap());
    let in_vain = |result, failed: &str| run.in_vain(1, result, path(failed).as_ref());
    assert_eq!(in_vain(BuildResult::Failed, "b"), path("b"));
    assert_eq!(
        in_vain(BuildResult::Failed, "a"),
        path("a"),
        "another attribute"
    );
    assert_eq!(in_vain(BuildResult::Failed, "hidden"), path("b"));
    assert_eq!(in_vain(BuildResult::Transient, "b"), None);
    assert_eq!(
        run.in_vain(1, BuildResult::Failed, None),
        None,
        "nobody's builder"
    );
}

#[test]
fn a_run_goes_on_where_it_was() {
    let built = |result, failed: Option<&str>| Life::Built {
        result,
        message: Some("said so".to_owned()),
        failed_drv: failed.map(|name| drv(name).parse().unwrap()),
    };
    let mut run = Run::default();
    let past = |name: &str, life| {
        let url = format!("http://ci/{name}");
        (name.to_owned(), Past { url, life })
    };
    run.restore([
        past("good", built(BuildResult::Succeeded, None)),
        past("bad", built(BuildResult::Failed, Some("bad"))),
        past("needs-bad", Life::Unbuilt { cause: None }),
        past("lost", built(BuildResult::Transient, None)),
        past("stopped", built(BuildResult::Cancelled, None)),
        past("thrower", Life::Unbuilt { cause: None }),
    ]);
    for line in [
        job("good", "good", CacheStatus::NotBuilt, &[]),
        job("bad", "bad", CacheStatus::NotBuilt, &[]),
        job("needs-bad", "needs-bad", CacheStatus::NotBuilt, &["bad"]),
        job(
            "also-needs-bad",
            "also-needs-bad",
            CacheStatus::NotBuilt,
            &["bad"],
        ),
        job("lost", "lost", CacheStatus::NotBuilt, &["good"]),
        job("stopped", "stopped", CacheStatus::NotBuilt, &[]),
        Line::Failed(Failed {
            attr: "thrower".to_owned(),
            attr_path: AttrPath::new(["thrower"]),
            error: "boom".to_owned(),
            position: None,
        }),
        done(),
    ] {
        run.take_line(line);
    }
    let recorded = run.take_unbuilt();
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert_eq!(recorded[0].attribute.attr, "also-needs-bad");
    assert_eq!(run.take_ready(9), [4, 5]);
    let urls: Vec<_> = run.attributes().iter().map(|it| it.url.is_some()).collect();
    assert_eq!(urls, [true, true, true, false, false, false, true]);
    assert_snapshot!(
        report::short(&run),
        @"1 failed to evaluate, 1 failed, 2 with a failed dependency, 2 running, 1 built"
    );
}

#[test]
fn a_run_of_the_past_is_told_as_it_became() {
    let mut run = Run::default();
    let url = "http://ci/".to_owned();
    let unbuilt = Life::Unbuilt {
        cause: Some("a".to_owned()),
    };
    let rebuilt = Life::Built {
        result: BuildResult::Succeeded,
        message: None,
        failed_drv: None,
    };
    let mut past = vec![("needs-a", unbuilt), ("a", rebuilt.clone())];
    for (expected, more) in [
        ("1 with a failed dependency, 1 cancelled, 1 built", None),
        ("1 cancelled, 2 built", Some(("needs-a", rebuilt))),
    ] {
        past.extend(more);
        run = Run::default();
        run.restore(past.iter().map(|(attr, life)| {
            let (url, life) = (url.clone(), life.clone());
            ((*attr).to_owned(), Past { url, life })
        }));
        for line in [
            job("a", "a", CacheStatus::NotBuilt, &[]),
            job("needs-a", "needs-a", CacheStatus::NotBuilt, &["a"]),
            job("never", "never", CacheStatus::NotBuilt, &[]),
            done(),
        ] {
            run.take_line(line);
        }
        run.close();
        assert_eq!(report::short(&run), expected);
    }
    assert!(run.is_finished());
    assert_eq!(run.finding(), Finding::Cancelled);
}

#[test]
fn a_rebuild_frees_what_was_not_built_because_of_it() {
    let built = |result, failed: Option<&str>| Life::Built {
        result,
        message: None,
        failed_drv: failed.map(|name| drv(name).parse().unwrap()),
    };
    let unbuilt = |cause: &str| Life::Unbuilt {
        cause: Some(cause.to_owned()),
    };
    let mut run = Run::default();
    run.restore(
        [
            ("first", built(BuildResult::Failed, Some("first"))),
            ("other", built(BuildResult::Failed, Some("other"))),
            ("needs-first", unbuilt("first")),
            ("also-needs-first", unbuilt("first")),
            ("needs-both", unbuilt("first")),
            ("needs-needing", unbuilt("first")),
            ("begun-too-early", built(BuildResult::Failed, Some("first"))),
            (
                "fails-itself",
                built(BuildResult::Failed, Some("fails-itself")),
            ),
            ("first", built(BuildResult::Succeeded, None)),
        ]
        .map(|(attr, life)| {
            let url = "http://ci/".to_owned();
            (attr.to_owned(), Past { url, life })
        }),
    );
    for (attr, name, needs) in [
        ("first", "first", &[][..]),
        ("other", "other", &[]),
        ("needs-first", "needs-first", &["first"]),
        ("also-needs-first", "needs-first", &["first"]),
        ("needs-both", "needs-both", &["first", "other"]),
        ("needs-needing", "needs-needing", &["needs-first"]),
        ("begun-too-early", "begun-too-early", &[]),
        ("fails-itself", "fails-itself", &["first"]),
        ("was-cancelled", "was-cancelled", &["first"]),
    ] {
        run.take_line(job(attr, name, CacheStatus::NotBuilt, needs));
    }
    run.take_line(done());
    let freed = |attr: &str| -> Vec<&str> {
        let freed = run.freed_by(attr).into_iter();
        freed
            .map(|index| run.attributes()[index].attr.as_str())
            .collect()
    };
    assert_eq!(freed("first"), ["needs-first", "begun-too-early"]);
    assert_eq!(freed("other"), [""; 0]);
    assert_eq!(freed("no-such"), [""; 0]);
}
