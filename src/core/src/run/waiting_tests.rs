//! What waits, why, and how it is cancelled.

use super::tests::{done, job, run_of};
use super::*;
use crate::report;

/// A run in which `a` was handed out, and its page.
fn begun() -> (Run, String) {
    let mut run = run_of([
        job("a", "a", CacheStatus::NotBuilt, &[]),
        job("b<i>", "b", CacheStatus::NotBuilt, &["a"]),
        job("c", "c", CacheStatus::NotBuilt, &[]),
        job("also-c", "c", CacheStatus::NotBuilt, &[]),
        job("needs-c", "needs-c", CacheStatus::NotBuilt, &["c"]),
        job("there", "there", CacheStatus::Local, &[]),
        done(),
    ]);
    assert_eq!(run.take_ready(1), [0]);
    let page = report::waiting(&run, "#/a/form").unwrap();
    (run, page)
}

#[test]
fn what_waits_is_told_with_its_reason() {
    let (_, page) = begun();
    for row in [
        "4 wait. <a href=\"#/a/form\">",
        "<td>b&lt;i&gt;</td><td>for a</td>",
        "<td>c</td><td>for a build slot</td>",
    ] {
        assert!(page.contains(row), "{page}");
    }
    assert!(!page.contains("there"), "{page}");
}

#[test]
fn what_another_run_builds_waits() {
    let (mut run, _) = begun();
    run.set_elsewhere(0, true);
    let page = report::waiting(&run, "").unwrap();
    let row = "<td>a</td><td>for the build of the same derivation in another evaluation</td>";
    assert!(page.contains(row), "{page}");
    assert_eq!(report::short(&run), "5 waiting, 1 already there");
    run.set_elsewhere(0, false);
    assert_eq!(report::short(&run), "1 running, 4 waiting, 1 already there");
    run.set_elsewhere(0, true);
    run.finish(0, BuildResult::Succeeded, None, None);
    run.set_elsewhere(0, false);
    assert_eq!(report::short(&run), "4 waiting, 1 built, 1 already there");
    run.cancel();
    assert_eq!(report::waiting(&run, ""), None);
}

#[test]
fn one_job_is_cancelled_with_what_needs_it() {
    let (mut run, _) = begun();
    assert_eq!(run.find_waiting("a"), None, "it runs");
    assert_eq!(run.find_waiting("there"), None, "it has ended");
    let index = run.find_waiting("also-c").unwrap();
    let why = Some("too large".to_owned());
    run.finish(index, BuildResult::Cancelled, why, None);
    // Who waited for another run hears that it is given up.
    run.finish(index, BuildResult::Cancelled, None, None);
    let page = report::html(&run);
    for row in [
        "<td>c</td><td>was cancelled</td><td><pre>too large</pre></td>",
        "<td>also-c</td><td>was cancelled</td><td><pre>too large</pre></td>",
        "<td>needs-c</td><td>was cancelled</td><td></td>",
    ] {
        assert!(page.contains(row), "{page}");
    }
    assert_eq!(run.find_waiting("c"), None);
    assert_eq!(run.take_ready(9), [0; 0]);
    assert!(run.take_unbuilt().is_empty());
    run.finish(0, BuildResult::Succeeded, None, None);
    assert_eq!(run.take_ready(9), [1]);
    run.finish(1, BuildResult::Succeeded, None, None);
    assert!(run.is_finished());
    assert_eq!(run.finding(), Finding::Cancelled);
    assert_eq!(report::short(&run), "3 cancelled, 2 built, 1 already there");
}
