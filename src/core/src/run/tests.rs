use insta::assert_snapshot;

use super::*;
use crate::machine_line::Slow;
use crate::nix::AttrPath;
use crate::report;

pub(super) fn drv(name: &str) -> String {
    let hash: String = name
        .replace('-', "x")
        .bytes()
        .cycle()
        .take(32)
        .map(char::from)
        .collect();
    format!("/nix/store/{hash}-{name}.drv")
}

/// A job line for derivation `name` under attribute `attr`.
pub(super) fn job(attr: &str, name: &str, status: CacheStatus, needs: &[&str]) -> Line {
    Line::Job(Job {
        attr: attr.to_owned(),
        attr_path: AttrPath::new([attr]),
        name: name.to_owned(),
        system: "x86_64-linux".parse().unwrap(),
        drv_path: drv(name).parse().unwrap(),
        outputs: std::collections::BTreeMap::new(),
        cache_status: status,
        needs: needs
            .iter()
            .map(|name| drv(name).parse().unwrap())
            .collect(),
        needed_by: Vec::new(),
    })
}

pub(super) fn run_of(lines: impl IntoIterator<Item = Line>) -> Run {
    let mut run = Run::default();
    for line in lines {
        run.take_line(line);
    }
    run
}

pub(super) fn done() -> Line {
    Line::Done { jobs: 0, failed: 0 }
}

#[test]
fn a_mixed_run_is_summed_up_failures_first() {
    let mut run = run_of([
        job("a", "a", CacheStatus::NotBuilt, &[]),
        job("b<script>", "b", CacheStatus::NotBuilt, &[]),
        job("c", "c", CacheStatus::NotBuilt, &["b"]),
        job("there", "there", CacheStatus::Local, &[]),
        Line::Failed(Failed {
            attr: "thrower".to_owned(),
            attr_path: AttrPath::new(["thrower"]),
            error: "error: boom & <b>bust</b>".to_owned(),
            position: None,
        }),
        Line::Warning {
            message: "`flake_dir` is no string".to_owned(),
        },
        Line::Repeated {
            message: "`flake_dir` is no string".to_owned(),
            count: 17,
        },
        Line::Repeated {
            message: "never told".to_owned(),
            count: 2,
        },
        Line::Statistics(Statistics {
            seconds: 2.0,
            evaluators: 1,
            memory: None,
            slowest: vec![Slow {
                attr: "slow<i>".to_owned(),
                seconds: 1.5,
            }],
            largest: Vec::new(),
        }),
        Line::Skipped(Skipped {
            system: "aarch64-linux".to_owned(),
            attributes: Some(3),
            attr_paths: Vec::new(),
        }),
        done(),
    ]);
    assert_eq!(run.take_ready(9), [1, 0], "c waits for b");
    run.set_url(0, "http://ci/#/builders/7/builds/1");
    run.finish(0, BuildResult::Succeeded, None, None);
    run.finish(
        1,
        BuildResult::Failed,
        Some("builder for b failed with exit code 1".to_owned()),
        None,
    );
    assert!(run.is_finished());
    assert_eq!(run.finding(), Finding::Failed);
    assert_snapshot!(report::text(&run), @r"
    ✗ b<script> failed
        builder for b failed with exit code 1
    ✗ thrower failed to evaluate
        error: boom & <b>bust</b>
    ✗ c was not built
        it needs b<script>, which failed
    ⚠ `flake_dir` is no string (× 17)
    · 3 attributes of aarch64-linux are not for this instance
    ✗ 1 failed to evaluate, 1 failed, 1 with a failed dependency, 1 built, 1 already there
    ");
    let page = report::html(&run);
    assert!(
        !page.contains("<script>") && !page.contains("<b>"),
        "{page}"
    );
    assert!(
        page.contains("<summary>evaluated in 2.0 s by 1 evaluator</summary>")
            && page.contains("<li>1.500 s: slow&lt;i&gt;</li>"),
        "{page}"
    );
    assert!(page.contains("no string (× 17)</li>"), "{page}");
    assert!(
        page.contains("<a href=\"http://ci/#/builders/7/builds/1\">a</a>"),
        "{page}"
    );
}

#[test]
fn what_is_gone_is_in_the_summary() {
    let start = || {
        Line::Start(Start {
            version: 1,
            engine: "nix".to_owned(),
            engine_version: "2.26.3".to_owned(),
            attribute: "checks".to_owned(),
            flake_dir: ".".to_owned(),
            systems: Vec::new(),
        })
    };
    let before = run_of([start(), job("a<b>", "a", CacheStatus::Local, &[]), done()]);
    let names = before.present().unwrap().compare(None, "main").0;
    let mut run = run_of([start(), job("b", "b", CacheStatus::Local, &[]), done()]);
    let (_, lost) = run.present().unwrap().compare(Some(&names), "<main>");
    run.set_lost(lost);
    let page = report::html(&run);
    assert!(
        page.contains("No longer there since the last evaluation of &lt;main&gt; (1)")
            && page.contains("<li>a&lt;b&gt;</li>"),
        "{page}"
    );
    assert_eq!(run.finding(), Finding::Succeeded);
}

#[test]
fn a_build_that_failed_for_another_attribute_is_no_failure_of_its_own() {
    let mut run = run_of([job("early", "early", CacheStatus::NotBuilt, &[])]);
    run.take_ready(1);
    run.take_line(job("bad", "bad", CacheStatus::NotBuilt, &[]));
    run.take_line(done());
    run.take_ready(1);
    let bad = drv("bad").parse().unwrap();
    run.finish(0, BuildResult::Failed, None, Some(&bad));
    run.finish(1, BuildResult::Failed, None, Some(&bad));
    assert!(run.is_finished());
    assert_eq!(report::short(&run), "1 failed, 1 with a failed dependency");
}

#[test]
fn one_derivation_is_built_once_for_all_its_attributes() {
    let mut run = run_of([
        job("a", "same", CacheStatus::NotBuilt, &[]),
        job("alias", "same", CacheStatus::NotBuilt, &[]),
    ]);
    assert_eq!(run.take_ready(9), [0]);
    run.finish(0, BuildResult::Succeeded, None, None);
    run.take_line(job("late", "same", CacheStatus::Local, &[]));
    run.take_line(done());
    assert!(run.is_finished());
    assert_eq!(run.tally().built, 3);
}

#[test]
fn what_needs_a_build_that_only_warned_is_built() {
    let mut run = run_of([
        job("a", "a", CacheStatus::NotBuilt, &[]),
        job("b", "b", CacheStatus::NotBuilt, &["a"]),
        done(),
    ]);
    assert_eq!(run.take_ready(9), [0]);
    let warning = Some("it has no gc root".to_owned());
    run.finish(0, BuildResult::Succeeded, warning, None);
    assert_eq!(run.take_ready(9), [1]);
    run.finish(1, BuildResult::Succeeded, None, None);
    assert_eq!(run.finding(), Finding::Succeeded);
}

#[test]
fn cancelling_ends_what_waits_and_what_still_arrives() {
    let mut run = run_of([
        job("a", "a", CacheStatus::NotBuilt, &[]),
        job("b", "b", CacheStatus::NotBuilt, &[]),
    ]);
    run.take_ready(1);
    run.cancel();
    run.take_line(job("c", "c", CacheStatus::NotBuilt, &[]));
    assert!(!run.has_ready());
    run.take_line(Line::Fatal {
        message: "stopped".to_owned(),
        hint: None,
        may_pass: false,
    });
    run.end_of_evaluation(None).unwrap();
    assert!(!run.is_finished());
    run.finish(0, BuildResult::Cancelled, None, None);
    assert!(run.is_finished());
    assert_eq!(run.finding(), Finding::Cancelled);
    assert_eq!(report::short(&run), "3 cancelled");
}

#[test]
fn an_agent_that_vanishes_fails_the_run_but_not_its_jobs() {
    let mut run = run_of([job("a", "a", CacheStatus::NotBuilt, &[])]);
    run.end_of_evaluation(Some(137)).unwrap();
    assert!(run.fatal().unwrap().message.contains("status 137"));
    assert_eq!(run.take_ready(9), [0]);
    run.finish(0, BuildResult::Succeeded, None, None);
    assert_eq!(run.finding(), Finding::Failed);
    assert_eq!(report::short(&run), "evaluation failed, 1 built");
}

#[test]
fn an_agent_that_is_not_there_is_told_from_one_that_vanishes() {
    let mut run = run_of([]);
    run.end_of_evaluation(Some(1)).unwrap();
    assert_eq!(
        run.fatal().unwrap().message,
        "`buildbot-nix eval` ended with status 1 before it began: is it on the worker's `PATH`?"
    );
}

#[test]
fn a_circle_ends_cancelled_instead_of_hanging() {
    let mut run = run_of([job("a", "a", CacheStatus::NotBuilt, &[])]);
    let Line::Job(mut circular) = job("b", "b", CacheStatus::NotBuilt, &["a"]) else {
        unreachable!()
    };
    circular.needed_by = vec![drv("a").parse().unwrap()];
    run.take_line(Line::Job(circular));
    run.take_line(done());
    run.end_of_evaluation(Some(0)).unwrap();
    assert!(run.is_finished());
    assert_eq!(run.finding(), Finding::Cancelled);
}

/// What is handed out as ended without a build: attribute and where its cause can be seen.
fn unbuilt(run: &mut Run) -> Vec<(String, Option<String>)> {
    let unbuilt = run.take_unbuilt().into_iter();
    unbuilt
        .map(|it| (it.attribute.attr, it.cause_url))
        .collect()
}

#[test]
fn what_ends_badly_without_a_build_is_told_once() {
    let mut run = run_of([
        Line::Failed(Failed {
            attr: "thrower".to_owned(),
            attr_path: AttrPath::new(["thrower"]),
            error: "boom".to_owned(),
            position: None,
        }),
        job("a", "a", CacheStatus::NotBuilt, &[]),
        job("b", "b", CacheStatus::NotBuilt, &["a"]),
        job("same-as-b", "b", CacheStatus::NotBuilt, &["a"]),
        job("there", "there", CacheStatus::Local, &[]),
    ]);
    assert_eq!(unbuilt(&mut run), [("thrower".to_owned(), None)]);
    let [a] = run.take_ready(2)[..] else {
        panic!("only `a` can be built")
    };
    run.set_url(a, "#/a");
    run.finish(a, BuildResult::Failed, None, None);
    let url = Some("#/a".to_owned());
    let expected = [
        ("b".to_owned(), url.clone()),
        ("same-as-b".to_owned(), url.clone()),
    ];
    assert_eq!(unbuilt(&mut run), expected);
    // Another name of what has failed already.
    run.take_line(job("late", "b", CacheStatus::NotBuilt, &["a"]));
    assert_eq!(unbuilt(&mut run), [("late".to_owned(), url)]);
    assert_eq!(unbuilt(&mut run), []);
}

#[test]
fn a_build_that_was_started_too_early_has_its_own_record() {
    let mut run = run_of([job("b", "b", CacheStatus::NotBuilt, &[])]);
    let [b] = run.take_ready(1)[..] else {
        panic!("`b` can be built")
    };
    run.take_line(job("a", "a", CacheStatus::NotBuilt, &[]));
    let a = drv("a").parse().unwrap();
    run.finish(b, BuildResult::Failed, None, Some(&a));
    assert!(matches!(
        run.attributes()[b].outcome,
        Outcome::DependencyFailed { .. }
    ));
    assert_eq!(unbuilt(&mut run), []);
}

#[test]
fn only_so_much_of_a_broken_tree_is_recorded() {
    let failed = |number: usize| {
        Line::Failed(Failed {
            attr: number.to_string(),
            attr_path: AttrPath::new([number.to_string()]),
            error: "boom".to_owned(),
            position: None,
        })
    };
    let mut run = run_of((0..300).map(failed));
    assert_eq!(run.take_unbuilt().len(), 300);
    (300..1000).for_each(|number| run.take_line(failed(number)));
    assert_eq!(run.take_unbuilt().len(), 200);
    run.take_line(failed(1000));
    assert_eq!(run.take_unbuilt().len(), 0);
    assert_eq!(run.tally().evaluation_failed, 1001);
}
