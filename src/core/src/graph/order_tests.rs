use proptest::prelude::*;
use rstest::rstest;

use super::tests::{add, dags, drv, drvs, shuffled};
use super::*;

/// Adds the nodes of `needs` in the order `arrival`, with the edges to those that are there, and
/// calls `each` after each.
fn arrive(
    graph: &mut Graph,
    needs: &[Vec<usize>],
    arrival: &[usize],
    mut each: impl FnMut(&mut Graph),
) -> Vec<NodeId> {
    let mut ids = vec![NodeId(usize::MAX); needs.len()];
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (number, row) in needs.iter().enumerate() {
        for needed in row {
            needed_by[*needed].push(number);
        }
    }
    for number in arrival {
        let (above, below) = (drvs(&needed_by[*number]), drvs(&needs[*number]));
        ids[*number] = graph.add(&drv(*number), &below, &above).0;
        each(graph);
    }
    ids
}

#[test]
fn the_longest_chain_is_first_then_who_came_first() {
    let mut graph = Graph::default();
    let alone = add(&mut graph, 1, &[]);
    let other = add(&mut graph, 2, &[]);
    let short = add(&mut graph, 3, &[]);
    let long = add(&mut graph, 4, &[]);
    add(&mut graph, 5, &[3]);
    add(&mut graph, 6, &[4]);
    add(&mut graph, 7, &[6]);
    graph.measure();
    assert_eq!(graph.take_ready(9), [long, short, alone, other]);
}

#[test]
fn a_chain_that_failed_elsewhere_no_longer_counts() {
    let mut graph = Graph::default();
    let bad = add(&mut graph, 1, &[]);
    let below = add(&mut graph, 2, &[]);
    let (alone, rival) = (add(&mut graph, 3, &[]), add(&mut graph, 4, &[]));
    add(&mut graph, 5, &[1, 2]);
    add(&mut graph, 6, &[5]);
    add(&mut graph, 7, &[4]);
    assert_eq!(graph.take_ready(1), [bad]);
    graph.finish(bad, Verdict::Failed);
    graph.measure();
    assert_eq!(graph.take_ready(9), [rival, below, alone]);
}

proptest! {
    /// What is handed out is always what most wait for, measured by force.
    #[test]
    fn the_order_is_exact_once_all_have_arrived(
        needs in dags(),
        order in any::<u64>(),
        fails in prop::collection::vec(0_u8..6, 40),
    ) {
        let mut graph = Graph::default();
        let arrival = shuffled(needs.len(), order);
        let ids = arrive(&mut graph, &needs, &arrival, |_| {});
        graph.measure();
        loop {
            let best = best_by_force(&graph, &needs, &ids);
            let Some(id) = graph.take_ready(1).first().copied() else {
                prop_assert_eq!(best, None);
                break;
            };
            prop_assert_eq!(best, Some(id));
            if fails[id.0] == 0 {
                graph.finish(id, Verdict::Failed);
                graph.measure();
            } else {
                graph.finish(id, Verdict::Succeeded);
            }
        }
    }
}

fn best_by_force(graph: &Graph, needs: &[Vec<usize>], ids: &[NodeId]) -> Option<NodeId> {
    let mut chains = vec![0; needs.len()];
    // A node needs only nodes of smaller numbers.
    for number in (0..needs.len()).rev() {
        if graph.state(ids[number]) == State::Waiting {
            for needed in &needs[number] {
                chains[*needed] = chains[*needed].max(chains[number] + 1);
            }
        }
    }
    let ready = (0..needs.len()).filter(|number| graph.state(ids[*number]) == State::Ready);
    ready
        .max_by_key(|number| (chains[*number], std::cmp::Reverse(ids[*number])))
        .map(|number| ids[number])
}

/// Deep and wide graphs, from the bottom, from the top and mixed, with builds asked for after each
/// arrival: what the graph looks at stays in proportion to its nodes and edges. A build is given
/// back as it ended only at the end, so that nothing is forgotten before.
#[rstest]
#[case::chain(|number: usize| if number == 0 { vec![] } else { vec![number - 1] })]
#[case::ladder(|number: usize| (number.saturating_sub(3)..number).collect())]
#[case::fan(|number: usize| if number < 10 { vec![] } else { (0..10).collect() })]
#[case::tree(|number: usize| if number == 0 { vec![] } else { vec![number / 2] })]
fn cost_is_linear(
    #[case] needs: fn(usize) -> Vec<usize>,
    #[values("from the bottom", "from the top", "mixed")] order: &str,
    #[values(Verdict::Succeeded, Verdict::Failed)] verdict: Verdict,
) {
    const NODES: usize = 4_000;
    let needs: Vec<Vec<usize>> = (0..NODES).map(needs).collect();
    let edges: usize = needs.iter().map(Vec::len).sum();
    let arrival: Vec<usize> = match order {
        "from the bottom" => (0..NODES).collect(),
        "from the top" => (0..NODES).rev().collect(),
        _ => shuffled(NODES, 7),
    };
    let mut graph = Graph::default();
    let mut running = Vec::new();
    arrive(&mut graph, &needs, &arrival, |graph| {
        running.extend(graph.take_ready(1));
    });
    graph.measure();
    loop {
        running.extend(graph.take_ready(1));
        let Some(id) = running.pop() else { break };
        graph.finish(id, verdict);
    }
    assert_eq!(graph.counts(), Counts::default());
    let (work, size) = (graph.work(), NODES + edges);

    assert!(work < 8 * size, "{work} for {size}");
}

#[test]
fn jobs_that_arrive_after_the_end_cost_no_more() {
    const NODES: usize = 4_000;
    let mut graph = Graph::default();
    for number in 0..NODES {
        add(&mut graph, number, &[]);
        assert_eq!(graph.cancel_waiting().len(), 1);
    }
    assert!(graph.work() < 3 * NODES, "{}", graph.work());
}
