//! What counts as gone.

use proptest::prelude::*;

use super::*;
use crate::machine_line::LISTED_MAX;
use crate::nix::AttrPath;

fn start(attribute: &str, systems: &[&str]) -> Line {
    Line::Start(Start {
        version: 1,
        engine: "nix".to_owned(),
        engine_version: "2.26.3".to_owned(),
        attribute: attribute.to_owned(),
        flake_dir: ".".to_owned(),
        systems: systems.iter().map(|it| it.parse().unwrap()).collect(),
    })
}

fn path(text: &str) -> AttrPath {
    AttrPath::new(text.split('.'))
}

/// `a.b` is a job, `!a.b` fails to evaluate, `~a.b` is for another system.
fn evaluation(attributes: &str) -> Run {
    run_of(&start("checks", &["x86_64-linux"]), attributes)
}

fn run_of(start: &Line, attributes: &str) -> Run {
    let mut run = Run::default();
    run.take_line(start.clone());
    let mut others = Vec::new();
    for attribute in attributes.split_whitespace() {
        if let Some(name) = attribute.strip_prefix('!') {
            run.take_line(Line::Failed(Failed {
                attr: name.to_owned(),
                attr_path: path(name),
                error: "error: boom".to_owned(),
                position: None,
            }));
        } else if let Some(name) = attribute.strip_prefix('~') {
            others.push(path(name));
        } else {
            let hash = "a".repeat(32);
            run.take_line(Line::Job(Job {
                attr: attribute.to_owned(),
                attr_path: path(attribute),
                name: "x".to_owned(),
                system: "x86_64-linux".parse().unwrap(),
                drv_path: format!("/nix/store/{hash}-x.drv").parse().unwrap(),
                outputs: std::collections::BTreeMap::new(),
                cache_status: CacheStatus::NotBuilt,
                needs: Vec::new(),
                needed_by: Vec::new(),
            }));
        }
    }
    if !others.is_empty() {
        run.take_line(Line::Skipped(Skipped {
            system: "aarch64-linux".to_owned(),
            attributes: Some(others.len() as u64),
            attr_paths: others,
        }));
    }
    run.take_line(Line::Done { jobs: 0, failed: 0 });
    run
}

/// Compares `run` with `before`, and notes what is gone.
fn compare(run: &mut Run, before: Option<&Names>) -> Option<Names> {
    let (names, lost) = run.present()?.compare(before, "main");
    run.set_lost(lost);
    Some(names)
}

/// What of the first evaluation is gone in the last, each compared with the one before.
fn lost(evaluations: &[&str]) -> String {
    let mut before: Option<Names> = None;
    let mut lost = String::new();
    for attributes in evaluations {
        let mut run = evaluation(attributes);
        let text = compare(&mut run, before.as_ref()).unwrap().to_text();
        before = Some(Names::parse(&text).unwrap());
        lost = run.lost().map(|it| it.attrs.join(" ")).unwrap_or_default();
    }
    lost
}

#[rstest::rstest]
#[case::first(&["s.a"], "")]
#[case::same(&["s.a s.b", "s.b s.a"], "")]
#[case::gone(&["s.a s.b s.c", "s.b"], "s.a s.c")]
#[case::only_once(&["s.a s.b", "s.b", "s.b"], "")]
#[case::all(&["s.a", ""], "s.a")]
#[case::fails_now(&["s.a s.b", "!s.a s.b"], "")]
#[case::failed_and_is_gone(&["!s.a s.b", "s.b"], "s.a")]
#[case::its_set_fails(&["s.set.a s.set.b", "!s.set"], "")]
#[case::its_set_works_again(&["s.set.a s.set.b", "!s.set", "s.set.a s.set.b"], "")]
#[case::it_was_removed_while_its_set_failed(&["s.set.a s.set.b", "!s.set", "s.set.a"], "s.set.b")]
#[case::for_another_system_now(&["s.a s.b", "~s.a s.b"], "")]
#[case::for_another_system_and_gone(&["s.a s.b", "~s.a s.b", "s.b"], "s.a")]
#[case::became_a_set(&["s.a", "s.a.x"], "")]
#[case::became_an_attribute(&["s.a.x s.a.y", "s.a"], "s.a.x s.a.y")]
#[case::a_name_that_begins_alike(&["s.ab", "!s.a"], "s.ab")]
fn what_is_gone(#[case] evaluations: &[&str], #[case] expected: &str) {
    assert_eq!(lost(evaluations), expected);
}

#[test]
fn other_settings_are_no_loss() {
    let systems = ["x86_64-linux"];
    let before = compare(&mut run_of(&start("checks", &systems), "s.a"), None);
    for other in [
        start("hydraJobs", &systems),
        start("checks", &[]),
        start("checks", &["x86_64-linux", "aarch64-linux"]),
    ] {
        let mut run = run_of(&other, "s.b");
        let names = compare(&mut run, before.as_ref()).unwrap();
        assert_eq!(run.lost(), None);
        assert_eq!(names.paths, [path("s.b")]);
    }
}

#[test]
fn an_evaluation_that_did_not_end_tells_nothing() {
    let before = compare(&mut evaluation("s.a"), None);
    let mut failed = Run::default();
    failed.take_line(start("checks", &["x86_64-linux"]));
    assert_eq!(compare(&mut failed, before.as_ref()), None);
    failed.end_of_evaluation(Some(137)).unwrap();
    assert_eq!(compare(&mut failed, before.as_ref()), None);
    let mut cancelled = evaluation("s.b");
    cancelled.cancel();
    assert_eq!(compare(&mut cancelled, before.as_ref()), None);
    assert_eq!((failed.lost(), cancelled.lost()), (None, None));
}

#[test]
fn a_list_that_is_cut_proves_nothing() {
    let before = compare(&mut evaluation("s.a s.b"), None);
    let others: Vec<String> = (0..LISTED_MAX)
        .map(|number| format!("~s.o{number}"))
        .collect();
    let mut run = evaluation(&others.join(" "));
    compare(&mut run, before.as_ref()).unwrap();
    assert_eq!(run.lost(), None);
}

#[test]
fn what_was_kept_and_is_damaged_is_nothing() {
    for text in ["", "{", "[]", r#"{"attribute":"checks"}"#] {
        assert_eq!(Names::parse(text), None);
    }
}

proptest! {
    /// What is still there is never called gone, and what is gone always is.
    #[test]
    fn gone_is_gone(
        before in prop::collection::btree_set("[a-c]{1,3}", 0..9),
        now in prop::collection::btree_set("[a-c]{1,3}", 0..9),
    ) {
        let names = |names: &std::collections::BTreeSet<String>| {
            let names: Vec<String> = names.iter().map(|name| format!("s.{name}")).collect();
            names.join(" ")
        };
        let gone = before.difference(&now).cloned().collect();
        prop_assert_eq!(lost(&[&names(&before), &names(&now)]), names(&gone));
    }
}
