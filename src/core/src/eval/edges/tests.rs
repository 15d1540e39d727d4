use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

/// Derivations by number; each needs some of lower numbers.
struct Memory {
    inputs: BTreeMap<DrvPath, Vec<DrvPath>>,
    reads: AtomicUsize,
}

impl DrvReader for Memory {
    fn read(&self, path: &DrvPath) -> io::Result<Drv> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let inputs = self.inputs.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Drv {
            inputs: inputs.clone(),
            ..Drv::default()
        })
    }
}

fn drv(number: usize) -> DrvPath {
    format!("/nix/store/{number:032}-d.drv").parse().unwrap()
}

fn memory(inputs: &[&[usize]]) -> Memory {
    let inputs = inputs.iter().enumerate().map(|(number, inputs)| {
        (
            drv(number),
            inputs.iter().map(|input| drv(*input)).collect(),
        )
    });
    Memory {
        inputs: inputs.collect(),
        reads: AtomicUsize::new(0),
    }
}

fn add(edges: &mut Edges, job: usize, memory: &Memory) -> Added {
    edges.add(&[&drv(job)], memory).remove(0)
}

#[test]
fn only_nearest_jobs_count() {
    // 4 needs 3 needs 2 needs 1 needs 0.
    let memory = memory(&[&[], &[0], &[1], &[2], &[3]]);
    let mut edges = Edges::new();
    assert_eq!(add(&mut edges, 0, &memory).needs, []);
    assert_eq!(add(&mut edges, 4, &memory).needs, [drv(0)]);
    let middle = add(&mut edges, 2, &memory);
    assert_eq!(
        (middle.needs, middle.needed_by),
        (vec![drv(0)], vec![drv(4)])
    );
    let last = add(&mut edges, 3, &memory);
    assert_eq!((last.needs, last.needed_by), (vec![drv(2)], vec![drv(4)]));
}

#[test]
fn a_derivation_under_two_attributes_is_no_neighbour_of_itself() {
    let memory = memory(&[&[], &[0]]);
    let mut edges = Edges::new();
    add(&mut edges, 1, &memory);
    let first = add(&mut edges, 0, &memory);
    assert_eq!(first.needed_by, [drv(1)]);
    assert_eq!(add(&mut edges, 0, &memory), first);
    assert_eq!(add(&mut edges, 1, &memory).needs, [drv(0)]);
}

#[test]
fn a_derivation_that_cannot_be_read_has_no_neighbours() {
    let mut edges = Edges::new();
    assert_eq!(add(&mut edges, 7, &memory(&[])), Added::default());
}

#[test]
fn what_leads_to_no_job_is_read_once() {
    // A chain of 1000 that two jobs on top of it share.
    let chain: Vec<Vec<usize>> = (0..1000)
        .map(|n: usize| n.checked_sub(1).into_iter().collect())
        .collect();
    let mut inputs: Vec<&[usize]> = chain.iter().map(Vec::as_slice).collect();
    inputs.extend([&[999][..], &[999]]);
    let memory = memory(&inputs);
    let mut edges = Edges::new();
    add(&mut edges, 1000, &memory);
    let before = memory.reads.load(Ordering::Relaxed);
    add(&mut edges, 1001, &memory);
    assert_eq!(memory.reads.load(Ordering::Relaxed) - before, 1);
}

#[test]
fn several_threads_read_everything_once() {
    // 200 jobs, each on top of one of 100 that need 50 others.
    let inputs: Vec<Vec<usize>> = (0..350)
        .map(|number: usize| match number {
            0..50 => vec![],
            50..150 => (0..50).collect(),
            _ => vec![50 + number % 100],
        })
        .collect();
    let memory = memory(&inputs.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let jobs: Vec<DrvPath> = (0..50).chain(150..350).map(drv).collect();
    let jobs: Vec<&DrvPath> = jobs.iter().collect();
    let add = |threads| {
        Edges {
            threads,
            ..Edges::new()
        }
        .add(&jobs, &memory)
    };
    let alone = add(1);
    assert_eq!(alone.last().unwrap().needs.len(), 50);
    assert_eq!(memory.reads.load(Ordering::Relaxed), 350);
    assert_eq!(add(7), alone);
    assert_eq!(memory.reads.load(Ordering::Relaxed), 700);
}

type Pairs = BTreeSet<(usize, usize)>;

fn transitive(mut pairs: Pairs) -> Pairs {
    loop {
        let more: Pairs = pairs
            .iter()
            .flat_map(|(a, b)| pairs.range((*b, 0)..(*b + 1, 0)).map(|(_, c)| (*a, *c)))
            .collect();
        let before = pairs.len();
        pairs.extend(more);
        if pairs.len() == before {
            return pairs;
        }
    }
}

prop_compose! {
    /// A graph of derivations, and some of them as jobs in any order.
    fn graph_and_jobs()(
        matrix in prop::collection::vec(prop::collection::vec(prop::bool::weighted(0.25), 12), 12),
        order in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
        number in 0_usize..12,
    ) -> (Vec<Vec<usize>>, Vec<usize>) {
        let inputs = matrix
            .iter()
            .enumerate()
            .map(|(node, row)| (0..node).filter(|input| row[*input]).collect())
            .collect();
        (inputs, order[..number].to_vec())
    }
}

proptest! {
    /// Whatever the graph, the order of the jobs and the number that is added at once, the
    /// reported edges say exactly which job needs which, directly or not.
    #[test]
    fn edges_preserve_reachability((inputs, jobs) in graph_and_jobs(), batch in 1_usize..6) {
        let slices: Vec<&[usize]> = inputs.iter().map(Vec::as_slice).collect();
        let memory = memory(&slices);
        let all: Pairs = inputs
            .iter()
            .enumerate()
            .flat_map(|(node, inputs)| inputs.iter().map(move |input| (node, *input)))
            .collect();
        let expected: Pairs = transitive(all)
            .into_iter()
            .filter(|(a, b)| jobs.contains(a) && jobs.contains(b))
            .collect();
        let number = |path: &DrvPath| (0..12).find(|number| drv(*number) == *path).unwrap();
        let mut edges = Edges::new();
        let mut reported = Pairs::new();
        for batch in jobs.chunks(batch) {
            let drvs: Vec<DrvPath> = batch.iter().map(|job| drv(*job)).collect();
            let added = edges.add(&drvs.iter().collect::<Vec<_>>(), &memory);
            for (job, added) in batch.iter().zip(added) {
                reported.extend(added.needs.iter().map(|needed| (*job, number(needed))));
                reported.extend(added.needed_by.iter().map(|user| (number(user), *job)));
            }
        }
        prop_assert_eq!(transitive(reported), expected);
    }
}
