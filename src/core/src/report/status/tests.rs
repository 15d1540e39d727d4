use std::fmt::Write as _;

use insta::assert_snapshot;

use super::*;
use crate::forge::CheckPhase;
use crate::machine_line::{BuildResult, CacheStatus, Failed, Job, Line, Position, Start, VERSION};
use crate::nix::AttrPath;
use crate::plan::ProjectName;
use crate::run::Run;

/// The statuses of one commit, and the story of what happened to it and what was told each time.
struct Commit {
    policy: StatusPolicy,
    rows: Vec<StatusRow>,
    story: String,
}

impl Commit {
    fn new(limit: usize) -> Self {
        Self {
            policy: StatusPolicy {
                prefix: "buildbot".to_owned(),
                limit,
                with_pages: false,
            },
            rows: Vec::new(),
            story: String::new(),
        }
    }

    /// Something happens, and what is told because of it is kept.
    fn tell(&mut self, what: &str, happens: impl FnOnce(&mut CommitStatuses)) {
        let project = ProjectName::new("team/site").unwrap();
        let (policy, rows) = (self.policy.clone(), std::mem::take(&mut self.rows));
        let mut statuses = CommitStatuses::new(policy, "github".to_owned(), project, rows);
        happens(&mut statuses);
        let _ = writeln!(self.story, "> {what}");
        for row in statuses.changed() {
            let StatusRow {
                context,
                state,
                description,
                cause,
                ..
            } = row;
            let (state, urgency) = (format!("{state:?}"), urgency(context, *state));
            let url = &cause.url;
            let _ = writeln!(
                self.story,
                "{state:8} {context}: {description} [{url}] {urgency:?}"
            );
        }
        self.rows = statuses.rows().cloned().collect();
    }

    fn started(&mut self, number: u64) {
        self.tell(&format!("run {number} starts"), |statuses| {
            statuses.run_started(&cause(number));
        });
    }

    fn evaluated(&mut self, number: u64, ended: Ended, run: &Run) {
        self.tell(&format!("evaluation {number}: {ended:?}"), |statuses| {
            statuses.evaluation_ended(&cause(number), ended, Some(run), "see its log");
        });
    }

    fn built(&mut self, number: u64, ended: Ended, attr: &str, text: &str) {
        let own = Cause {
            url: format!("ci/{attr}"),
            ..cause(number)
        };
        self.tell(&format!("{attr} of run {number}: {ended:?}"), |statuses| {
            statuses.attribute_ended(&own, ended, &name(attr), text);
        });
    }

    fn rebuild_started(&mut self, number: u64, attr: &str) {
        self.tell(&format!("rebuild {number} of {attr} starts"), |statuses| {
            statuses.attribute_started(&cause(number), &name(attr));
        });
    }

    fn rebuilt(&mut self, number: u64, ended: Ended, attr: &str, text: &str) {
        self.tell(
            &format!("rebuild {number} of {attr}: {ended:?}"),
            |statuses| {
                statuses.attribute_rebuilt(&cause(number), ended, &name(attr), text);
            },
        );
    }

    fn ended(&mut self, number: u64, ended: Ended, run: Option<&Run>, text: &str) {
        self.tell(&format!("run {number}: {ended:?}"), |statuses| {
            let stopped = (ended == Ended::Cancelled).then_some(text);
            statuses.run_ended(&cause(number), ended, run, text, stopped);
        });
    }
}

/// What the run `number` is for its statuses.
fn cause(number: u64) -> Cause {
    Cause {
        run: number,
        build: number * 10,
        url: format!("ci/{number}"),
    }
}

fn name(attr: &str) -> String {
    format!("github:team/site#checks.{attr}")
}

/// A run whose attributes are words like `a=failed`; `b=needs:a` is built after `a`.
fn run(attributes: &str) -> Run {
    let mut run = evaluated(attributes);
    while let [index] = run.take_ready(1)[..] {
        let attr = run.attributes()[index].attr.clone();
        run.set_url(index, &format!("ci/{attr}"));
        let wanted = format!("{attr}=");
        let outcome = attributes
            .split(' ')
            .find_map(|word| word.strip_prefix(&wanted));
        let (result, message) = match outcome {
            Some("failed") => (
                BuildResult::Failed,
                Some("exit code 1\nand more".to_owned()),
            ),
            Some("broken") => (BuildResult::Transient, Some("no space left".to_owned())),
            Some("cancelled") => (BuildResult::Cancelled, None),
            _ => (BuildResult::Succeeded, None),
        };
        run.finish(index, result, message, None);
    }
    run
}

/// The same before anything is built.
fn evaluated(attributes: &str) -> Run {
    let mut run = Run::default();
    run.take_line(Line::Start(Start {
        version: VERSION,
        engine: "nix".to_owned(),
        engine_version: "2".to_owned(),
        attribute: "checks".to_owned(),
        flake_dir: ".".to_owned(),
        systems: Vec::new(),
    }));
    let drv = |attr: &str| {
        let hash: String = attr.bytes().cycle().take(32).map(char::from).collect();
        format!("/nix/store/{hash}-{attr}.drv").parse().unwrap()
    };
    for word in attributes.split(' ').filter(|word| !word.is_empty()) {
        let (attr, outcome) = word.split_once('=').unwrap();
        let line = match outcome {
            "warning" => Line::Warning {
                message: format!("{attr} is old"),
            },
            "throws" => Line::Failed(Failed {
                attr: attr.to_owned(),
                attr_path: AttrPath::new([attr]),
                error: format!("error:\n   … while evaluating `{attr}`\n\n   error: boom | <b>"),
                position: Some(Position {
                    file: "nix/a.nix".to_owned(),
                    line: 12,
                    column: 3,
                }),
            }),
            _ => Line::Job(Job {
                attr: attr.to_owned(),
                attr_path: AttrPath::new([attr]),
                name: attr.to_owned(),
                system: "x86_64-linux".parse().unwrap(),
                drv_path: drv(outcome.strip_prefix("same:").unwrap_or(attr)),
                outputs: std::collections::BTreeMap::new(),
                cache_status: match outcome {
                    "there" => CacheStatus::Local,
                    _ => CacheStatus::NotBuilt,
                },
                needs: outcome
                    .strip_prefix("needs:")
                    .map(drv)
                    .into_iter()
                    .collect(),
                needed_by: Vec::new(),
            }),
        };
        run.take_line(line);
    }
    run.take_line(Line::Done { jobs: 0, failed: 0 });
    run
}

#[test]
fn a_good_run() {
    let mut commit = Commit::new(47);
    commit.tell("run 1 waits", |statuses| statuses.run_waits(&cause(1)));
    commit.started(1);
    let run = run("a=built b=built c=there w=warning v=warning");
    commit.evaluated(1, Ended::Warned, &run);
    commit.built(1, Ended::Succeeded, "a", "build successful");
    commit.ended(1, Ended::Succeeded, Some(&run), "");
    assert_snapshot!(commit.story);
}

#[test]
fn what_waits_for_approval_says_so_until_there_is_a_run() {
    let mut commit = Commit::new(47);
    let held = |statuses: &mut CommitStatuses| statuses.run_held("ci/site".to_owned());
    commit.tell("held", held);
    commit.tell("closed", |statuses| statuses.run_let_go("it was closed"));
    commit.tell("opened again", held);
    commit.started(1);
    commit.tell("held once more", held);
    commit.tell("closed", |statuses| statuses.run_let_go("it was closed"));
    assert_snapshot!(commit.story);
}

#[test]
fn what_failed_is_told_with_its_reason_and_page() {
    let mut commit = Commit::new(47);
    commit.started(1);
    let run = run("a=failed b=needs:a t=throws s=same:a x=broken there=there ok=built");
    commit.evaluated(1, Ended::Warned, &run);
    commit.built(1, Ended::Failed, "a", "exit code 1");
    commit.ended(1, Ended::Failed, Some(&run), "");
    assert_snapshot!(commit.story);
}

#[test]
fn a_success_clears_an_old_failure() {
    let mut commit = Commit::new(47);
    let bad = run("a=failed b=failed gone=failed");
    commit.ended(1, Ended::Failed, Some(&bad), "");
    commit.started(2);
    commit.built(2, Ended::Succeeded, "a", "build successful");
    let good = run("a=built b=there c=built");
    commit.evaluated(2, Ended::Succeeded, &good);
    commit.ended(2, Ended::Succeeded, Some(&good), "");
    assert_snapshot!(commit.story);
}

#[test]
fn a_checkout_that_fails_is_told() {
    let mut commit = Commit::new(47);
    commit.started(1);
    let text = "abc cannot be merged into main: conflict in flake.nix";
    commit.ended(1, Ended::Failed, None, text);
    assert_snapshot!(commit.story);
}

/// And one that was told before does not stay as it was.
#[test]
fn a_flake_that_does_not_evaluate_has_no_status_of_its_builds() {
    let mut fatal = Run::default();
    fatal.take_line(Line::Fatal {
        message: "cannot evaluate `git+file:///ci/build`: error: undefined variable 'x'".to_owned(),
        hint: Some("add one".to_owned()),
        may_pass: false,
    });
    fatal.end_of_evaluation(Some(1)).unwrap();
    let mut commit = Commit::new(47);
    commit.started(1);
    commit.evaluated(1, Ended::Failed, &fatal);
    commit.ended(1, Ended::Failed, Some(&fatal), "failed");
    commit.ended(2, Ended::Succeeded, Some(&run("a=built")), "");
    commit.started(3);
    commit.evaluated(3, Ended::Failed, &fatal);
    commit.ended(3, Ended::Failed, Some(&fatal), "failed");
    assert_snapshot!(commit.story);
}

#[test]
fn what_is_stopped_is_told_and_uses_up_no_limit() {
    let mut commit = Commit::new(2);
    commit.started(1);
    commit.ended(1, Ended::Cancelled, None, "a newer push");
    let mut stopped = evaluated("a=failed b=x c=x d=there");
    assert_eq!(stopped.take_ready(1), [0]);
    let message = Some("exit code 1".to_owned());
    stopped.finish(0, BuildResult::Failed, message, None);
    commit.started(2);
    commit.evaluated(2, Ended::Succeeded, &stopped);
    stopped.cancel();
    commit.built(2, Ended::Cancelled, "b", "");
    commit.built(2, Ended::Cancelled, "c", "");
    commit.ended(2, Ended::Cancelled, Some(&stopped), "somebody");
    assert_snapshot!(commit.story);
}

#[test]
fn a_run_that_is_begun_once_more_goes_on() {
    let mut commit = Commit::new(47);
    let run = run("a=built");
    commit.started(1);
    commit.evaluated(1, Ended::Succeeded, &run);
    commit.ended(1, Ended::Again, Some(&run), "lost connection");
    commit.started(1);
    commit.evaluated(1, Ended::Succeeded, &run);
    commit.ended(1, Ended::Succeeded, Some(&run), "");
    assert_snapshot!(commit.story);
}

#[test]
fn an_older_run_says_nothing_of_a_newer_one() {
    let mut commit = Commit::new(47);
    commit.started(1);
    commit.started(3);
    commit.ended(1, Ended::Cancelled, None, "a newer push");
    assert_snapshot!(commit.story);
}

/// Also if it was the first half of this run that built it badly.
#[test]
fn what_is_there_when_a_run_is_begun_once_more_is_good() {
    let mut commit = Commit::new(47);
    commit.started(1);
    commit.built(1, Ended::Broken, "a", "no space left");
    commit.ended(1, Ended::Again, None, "lost connection");
    commit.started(1);
    commit.ended(1, Ended::Succeeded, Some(&run("a=there")), "");
    assert_snapshot!(commit.story);
}

/// Once one is good, there is room for another.
#[test]
fn no_more_attributes_than_the_limit_have_a_status() {
    let mut commit = Commit::new(2);
    let bad = run("a=failed b=needs:a c=failed d=failed");
    commit.ended(1, Ended::Failed, Some(&bad), "");
    let better = run("a=built b=built c=failed d=failed");
    commit.built(2, Ended::Succeeded, "a", "build successful");
    commit.ended(2, Ended::Failed, Some(&better), "");
    assert_snapshot!(commit.story);
}

/// Also for the worse, and what was good has no status until then.
#[test]
fn a_rebuild_updates_its_status_and_what_all_comes_to() {
    let mut commit = Commit::new(47);
    let bad = run("a=failed b=failed c=built d=there");
    commit.evaluated(1, Ended::Succeeded, &bad);
    commit.ended(1, Ended::Failed, Some(&bad), "");
    commit.rebuild_started(2, "a");
    commit.rebuilt(2, Ended::Succeeded, "a", "build successful");
    commit.rebuild_started(3, "b");
    commit.rebuilt(3, Ended::Succeeded, "b", "build successful");
    commit.rebuild_started(4, "c");
    commit.rebuilt(4, Ended::Failed, "c", "exit code 2");
    assert_snapshot!(commit.story);
}

#[test]
fn a_rebuild_that_is_stopped_does_not_go_on() {
    let mut commit = Commit::new(47);
    commit.ended(1, Ended::Failed, Some(&run("a=failed")), "");
    commit.rebuild_started(2, "a");
    commit.rebuilt(2, Ended::Cancelled, "a", "somebody");
    assert_snapshot!(commit.story);
}

#[test]
fn a_rebuild_says_nothing_of_a_run_that_goes_on() {
    let mut commit = Commit::new(47);
    commit.ended(1, Ended::Failed, Some(&run("a=failed")), "");
    commit.rebuild_started(2, "a");
    commit.started(3);
    commit.rebuilt(2, Ended::Succeeded, "a", "build successful");
    assert_snapshot!(commit.story);
}

#[test]
fn what_died_with_the_master_ends() {
    let mut commit = Commit::new(47);
    commit.started(1);
    commit.evaluated(1, Ended::Succeeded, &run("a=built"));
    commit.tell("run 7 is gone", |statuses| {
        statuses.abandoned(7, Ended::Failed, "not this one");
    });
    commit.tell("run 1 is gone", |statuses| {
        statuses.abandoned(1, Ended::Broken, "the master was stopped");
    });
    assert_snapshot!(commit.story);
}

#[test]
fn check_runs_have_pages() {
    let mut commit = Commit::new(47);
    commit.policy.with_pages = true;
    let run = run("a=failed b=needs:a t=throws u=throws w=warning there=there");
    commit.evaluated(1, Ended::Warned, &run);
    commit.ended(1, Ended::Failed, Some(&run), "");
    let mut text = String::new();
    for row in &commit.rows {
        let check = row.as_check_run();
        let (phase, id) = (check.phase, check.external_id);
        let output = check.output.unwrap();
        let _ = writeln!(text, "## {} {phase:?} {id}", check.name);
        let _ = writeln!(text, "# {}\n{}", output.title, output.summary);
        for annotation in &output.annotations {
            let _ = writeln!(text, "{annotation:?}");
        }
    }
    assert_snapshot!(text);
    commit.rebuilt(2, Ended::Succeeded, "a", "build successful");
    let builds = commit.rows.iter().find(|row| row.standing.is_some());
    let output = builds.unwrap().as_check_run().output.unwrap();
    let title = "1 built, 2 failed to evaluate, 1 with a failed dependency, 1 already there";
    assert_eq!(output.title, title);
    assert!(output.summary.starts_with("Attributes were built again"));
}

#[test]
fn a_check_run_that_goes_on_says_so() {
    let mut commit = Commit::new(47);
    commit.tell("run 1 waits", |statuses| {
        statuses.run_waits(&Cause {
            build: 0,
            ..cause(1)
        });
    });
    let check = commit.rows[0].as_check_run();
    assert_eq!(check.phase, CheckPhase::InProgress);
    assert_eq!(check.external_id, "");
    assert_eq!(check.output.unwrap().title, "Waiting for a worker.");
}

#[test]
fn markdown_of_strangers_stays_code() {
    let mut commit = Commit::new(47);
    commit.policy.with_pages = true;
    let text = "`` | @everyone\n```\n![x](http://evil/)\n```\n";
    commit.built(1, Ended::Failed, "a`|<b>", text);
    assert_snapshot!(commit.rows[0].page.as_ref().unwrap().summary);
}
