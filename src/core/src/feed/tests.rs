use std::collections::HashMap;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::config::parse_settings;
use crate::plan::{master_plan, polled_projects};

/// Gives `slots` slots to sources that never run out: their numbers in turn.
fn serve(turns: &mut Turns, sources: &[(Priority, &str)], slots: usize) -> Vec<usize> {
    for (number, (priority, project)) in sources.iter().enumerate() {
        turns.add(number, *priority, project);
    }
    let mut served = Vec::new();
    while served.len() < slots {
        let source = turns.take().expect("all wait");
        turns.given();
        let (priority, project) = sources[source];
        turns.add(source, priority, project);
        served.push(source);
    }
    served
}

#[test]
fn projects_take_turns_then_their_runs() {
    let sources = [
        (Priority::Branch, "one"),
        (Priority::Branch, "one"),
        (Priority::Branch, "one"),
        (Priority::Branch, "two"),
    ];
    let served = serve(&mut Turns::default(), &sources, 8);
    assert_eq!(served, [0, 3, 1, 3, 2, 3, 0, 3]);
}

#[test]
fn the_most_urgent_is_first_and_the_lowest_has_its_share() {
    let sources = [
        (Priority::Branch, "one"),
        (Priority::PullRequest, "one"),
        (Priority::MergeQueue, "two"),
        (Priority::ByHand, "two"),
    ];
    let mut turns = Turns::default();
    assert_eq!(serve(&mut turns, &sources, 8), [3, 3, 3, 0, 3, 3, 3, 0]);
    turns.remove(3);
    turns.remove(2);
    assert_eq!(serve(&mut turns, &sources[..2], 4), [1, 1, 1, 0]);
}

#[test]
fn who_has_nothing_costs_no_share_and_no_turn() {
    let mut turns = Turns::default();
    turns.add(1, Priority::PullRequest, "idle");
    turns.add(2, Priority::Branch, "busy");
    assert_eq!(
        (turns.take(), turns.take(), turns.take()),
        (Some(1), Some(2), None)
    );
    turns.add(2, Priority::Branch, "busy");
    turns.add(2, Priority::Branch, "busy");
    assert_eq!((turns.take(), turns.take()), (Some(2), None));
}

proptest! {
    /// Whatever waits, each source has its turn within a bounded number of slots.
    #[test]
    fn nobody_starves(kinds in prop::collection::vec((0_usize..4, 0_usize..3), 1..12)) {
        let classes = [
            Priority::Branch,
            Priority::PullRequest,
            Priority::MergeQueue,
            Priority::ByHand,
        ];
        let projects = ["one", "two", "three"];
        // Each has a build less at each turn, so that what is more urgent ends.
        let mut left: HashMap<usize, usize> = (0..kinds.len()).map(|number| (number, 3)).collect();
        let mut turns = Turns::default();
        let add = |turns: &mut Turns, number: usize| {
            let (class, project) = kinds[number];
            turns.add(number, classes[class], projects[project]);
        };
        for number in 0..kinds.len() {
            add(&mut turns, number);
        }
        let mut slots = 0;
        let mut lowest_waited = 0;
        while let Some(source) = turns.take() {
            let waits = |number: &usize| left[number] > 0;
            let lowest = (0..kinds.len()).filter(waits).map(|number| kinds[number].0).min();
            lowest_waited = if Some(kinds[source].0) == lowest { 0 } else { lowest_waited + 1 };
            prop_assert!(lowest_waited < SHARE_OF_THE_LOWEST);
            turns.given();
            slots += 1;
            let rest = left.get_mut(&source).unwrap();
            *rest -= 1;
            if *rest > 0 {
                add(&mut turns, source);
            }
        }
        prop_assert_eq!(slots, 3 * kinds.len());
    }
}

#[rstest]
#[case("branch=main", Priority::Branch)]
#[case("branch=staging", Priority::Branch)]
#[case("branch=gh-readonly-queue/main/pr-1-abc", Priority::MergeQueue)]
#[case("branch=refs/heads/gitea-mq/1", Priority::MergeQueue)]
#[case("branch=trying", Priority::MergeQueue)]
#[case(
    "branch=refs/pull/1/merge head_sha=a base_sha=b",
    Priority::PullRequest
)]
#[case(
    "branch=main github.head.sha=a github.base.sha=b",
    Priority::PullRequest
)]
#[case("revision=a", Priority::Branch)]
fn a_run_is_as_urgent_as_who_waits_for_it(#[case] properties: &str, #[case] expected: Priority) {
    let text = "
url: http://ci/
build_systems: [x86_64-linux]
local_workers: 1
branches: {staging: {matchGlob: 'staging'}, queues: {matchGlob: 'g*'}}
pull_based: {repositories: {o/r: {url: 'https://git/o/r', default_branch: main}}}
";
    let settings = parse_settings("settings.yaml", text).unwrap();
    let plan = master_plan(&settings, &polled_projects(&settings), &[]);
    let pairs = properties.split(' ').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    let priority = Priority::of_run(&plan, &plan.projects[0], &pairs.collect());
    assert_eq!(priority, expected);
}
