use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

pub(super) fn drv(number: usize) -> DrvPath {
    format!("/nix/store/{number:032}-job{number}.drv")
        .parse()
        .unwrap()
}

pub(super) fn drvs(numbers: &[usize]) -> Vec<DrvPath> {
    numbers.iter().copied().map(drv).collect()
}

/// Adds derivation `number`; asserts that nothing ended by that.
pub(super) fn add(graph: &mut Graph, number: usize, needs: &[usize]) -> NodeId {
    let (id, ended) = graph.add(&drv(number), &drvs(needs), &[]);
    assert_eq!(ended, []);
    id
}

#[test]
fn a_dependent_becomes_ready_when_all_it_needs_succeeded() {
    let mut graph = Graph::default();
    let first = add(&mut graph, 1, &[]);
    let second = add(&mut graph, 2, &[]);
    let top = add(&mut graph, 3, &[1, 2]);
    assert_eq!(graph.take_ready(9), [first, second]);
    assert_eq!(graph.finish(first, Verdict::Succeeded), [first]);
    assert_eq!(graph.take_ready(9), []);
    graph.finish(second, Verdict::Succeeded);
    assert_eq!(graph.take_ready(9), [top]);
    assert_eq!(
        graph.counts(),
        Counts {
            waiting: 0,
            running: 1
        }
    );
}

#[test]
fn the_first_failing_build_is_the_cause_all_the_way_up() {
    let mut graph = Graph::default();
    let bad = add(&mut graph, 1, &[]);
    let middle = add(&mut graph, 2, &[1]);
    let top = add(&mut graph, 3, &[2]);
    graph.take_ready(1);
    assert_eq!(graph.finish(bad, Verdict::Failed), [bad, middle, top]);
    assert_eq!(graph.state(top), State::DependencyFailed { cause: bad });
    let (late, ended) = graph.add(&drv(4), &drvs(&[3]), &[]);
    assert_eq!(ended, [late]);
    assert_eq!(graph.state(late), State::DependencyFailed { cause: bad });
    assert_eq!(graph.counts(), Counts::default());
}

#[test]
fn what_needs_a_cancelled_build_is_cancelled_not_failed() {
    let mut graph = Graph::default();
    let stopped = add(&mut graph, 1, &[]);
    let top = add(&mut graph, 2, &[1]);
    graph.take_ready(1);
    graph.finish(stopped, Verdict::Cancelled);
    assert_eq!(graph.state(top), State::Cancelled);
}

#[test]
fn a_need_found_late_holds_back_what_has_not_started() {
    let mut graph = Graph::default();
    let started = add(&mut graph, 1, &[]);
    let ready = add(&mut graph, 2, &[]);
    assert_eq!(graph.take_ready(1), [started]);
    let (needed, _) = graph.add(&drv(3), &[], &drvs(&[1, 2]));
    assert_eq!(graph.state(ready), State::Waiting);
    assert_eq!(graph.state(started), State::Running);
    assert_eq!(graph.take_ready(9), [needed]);
    graph.finish(needed, Verdict::Succeeded);
    assert_eq!(graph.take_ready(9), [ready]);
}

#[test]
fn who_was_started_too_early_passes_the_blame_on() {
    let mut graph = Graph::default();
    let early = add(&mut graph, 1, &[]);
    let above = add(&mut graph, 2, &[1]);
    graph.take_ready(1);
    let (bad, _) = graph.add(&drv(3), &[], &drvs(&[1]));
    graph.take_ready(1);
    assert_eq!(graph.blame(early, bad), [early, above]);
    assert_eq!(graph.state(early), State::DependencyFailed { cause: bad });
    assert_eq!(graph.state(above), State::DependencyFailed { cause: bad });
    assert_eq!(graph.finish(bad, Verdict::Failed), [bad]);
    assert_eq!(graph.blame(early, bad), []);
    assert_eq!(graph.counts(), Counts::default());
}

#[test]
fn a_circle_is_noticed() {
    let mut graph = Graph::default();
    add(&mut graph, 1, &[]);
    graph.add(&drv(2), &drvs(&[1]), &drvs(&[1]));
    assert_eq!(graph.take_ready(9), []);
    assert!(graph.is_stuck());
    assert_eq!(graph.cancel_waiting().len(), 2);
    assert!(!graph.is_stuck());
}

/// A random acyclic graph: node n needs some nodes with smaller numbers.
pub(super) fn dags() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        1..40,
    )
    .prop_map(|rows| {
        rows.iter()
            .enumerate()
            .map(|(number, row)| {
                let needs: BTreeSet<usize> = row
                    .iter()
                    .filter(|_| number > 0)
                    .map(|index| index.index(number))
                    .collect();
                needs.into_iter().collect()
            })
            .collect()
    })
}

proptest! {
    /// Any graph, any order of arrival, any verdicts, starts and ends mixed with arrivals, cancelled
    /// or not as a whole and one by one: every node ends in exactly one state, nothing is handed out
    /// twice or after its end, nothing before what was known to be needed, and nothing that needs a
    /// failure known before it started.
    #[test]
    fn every_run_comes_to_one_end(
        needs in dags(),
        order in any::<u64>(),
        verdicts in prop::collection::vec(0_u8..10, 40),
        pace in 1_usize..6,
        cancelled_at in prop::option::of(0_usize..40),
    ) {
        let arrival = shuffled(needs.len(), order);
        let mut graph = Graph::default();
        let mut number_of: HashMap<NodeId, usize> = HashMap::new();
        let mut ids: HashMap<usize, NodeId> = HashMap::new();
        let mut running = Vec::new();
        let mut handed_out = BTreeSet::new();
        let mut ended = BTreeSet::new();
        let mut arrivals = arrival.iter().copied();
        loop {
            let mut progressed = false;
            for number in arrivals.by_ref().take(pace) {
                progressed = true;
                let known = |other: &usize| ids.contains_key(other);
                let before: Vec<usize> = needs[number].iter().copied().filter(known).collect();
                let after: Vec<usize> = (0..needs.len())
                    .filter(|other| known(other) && needs[*other].contains(&number))
                    .collect();
                let (id, done) = graph.add(&drv(number), &drvs(&before), &drvs(&after));
                number_of.insert(id, number);
                ids.insert(number, id);
                let cancelled = cancelled_at.is_some_and(|at| ids.len() > at);
                let stopped = if cancelled { graph.cancel_waiting() } else { Vec::new() };
                let unwanted = if verdicts[number] == 2 {
                    graph.finish(id, Verdict::Cancelled)
                } else {
                    Vec::new()
                };
                for node in done.into_iter().chain(stopped).chain(unwanted) {
                    prop_assert!(ended.insert(node), "ended twice");
                }
            }
            for id in graph.take_ready(pace) {
                progressed = true;
                prop_assert!(handed_out.insert(id), "handed out twice");
                prop_assert!(!ended.contains(&id), "handed out after its end");
                for needed in &needs[number_of[&id]] {
                    if let Some(needed) = ids.get(needed) {
                        prop_assert_eq!(graph.state(*needed), State::Finished(Verdict::Succeeded));
                    }
                }
                running.push(id);
            }
            if let Some(id) = running.pop() {
                progressed = true;
                let verdict = match verdicts[number_of[&id]] {
                    0 => Verdict::Failed,
                    1 => Verdict::Cancelled,
                    _ => Verdict::Succeeded,
                };
                for node in graph.finish(id, verdict) {
                    prop_assert!(ended.insert(node), "ended twice");
                }
            }
            if !progressed {
                break;
            }
        }
        prop_assert_eq!(ended.len(), needs.len());
        for id in ended {
            if let State::DependencyFailed { cause } = graph.state(id) {
                prop_assert_eq!(graph.state(cause), State::Finished(Verdict::Failed));
                prop_assert!(handed_out.contains(&cause) && !handed_out.contains(&id));
            }
        }
        prop_assert_eq!(graph.counts(), Counts::default());
        prop_assert!(!graph.is_stuck());
    }
}

/// The numbers below `length`, in an order that `seed` decides.
pub(super) fn shuffled(length: usize, mut seed: u64) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..length).collect();
    for index in (1..length).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        numbers.swap(index, (seed >> 33) as usize % (index + 1));
    }
    numbers
}
