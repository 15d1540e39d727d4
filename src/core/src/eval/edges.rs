//! Which jobs need which: the input closures of all jobs as one graph that grows job by job.
//!
//! Every job tells its nearest neighbours among those before it. A search does not go past a job,
//! nor into parts of the graph that are known to lead to none, so the closure that all jobs share
//! (compilers and the like) is read once and never walked again.

use std::collections::HashMap;

use super::drv::{Drv, DrvReader};
use crate::nix::DrvPath;

/// The graph so far.
#[derive(Debug, Default)]
pub(super) struct Edges {
    ids: HashMap<DrvPath, usize>,
    nodes: Vec<Node>,
    /// Number of the latest search, see [`Node::seen`].
    search: usize,
}

#[derive(Debug)]
struct Node {
    path: DrvPath,
    /// Empty until the derivation was read.
    inputs: Vec<usize>,
    /// Derivations read so far that have this one as an input.
    users: Vec<usize>,
    is_read: bool,
    is_job: bool,
    /// Whether there is a job among what this needs, directly or not. Not kept for jobs.
    leads_to_job: bool,
    /// The latest search that came here.
    seen: usize,
}

/// What is known about a job when it is added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Added {
    /// Jobs added before that it needs, nearest only.
    pub(super) needs: Vec<DrvPath>,
    /// Jobs added before that need it, nearest only.
    pub(super) needed_by: Vec<DrvPath>,
    /// The derivation, if it could be read.
    pub(super) drv: Option<Drv>,
}

impl Edges {
    /// Adds a job. A derivation that cannot be read counts as one without inputs.
    pub(super) fn add(&mut self, job: &DrvPath, reader: &dyn DrvReader) -> Added {
        let drv = reader.read(job).ok();
        let id = self.intern(job);
        self.explore(id, drv.as_ref(), reader);
        let needs = self.jobs_below(id);
        let needed_by = self.jobs_above(id);
        self.node(id).is_job = true;
        Added {
            needs: self.paths(&needs),
            needed_by: self.paths(&needed_by),
            drv,
        }
    }

    fn intern(&mut self, path: &DrvPath) -> usize {
        if let Some(id) = self.ids.get(path) {
            return *id;
        }
        let id = self.nodes.len();
        self.ids.insert(path.clone(), id);
        self.nodes.push(Node {
            path: path.clone(),
            inputs: Vec::new(),
            users: Vec::new(),
            is_read: false,
            is_job: false,
            leads_to_job: false,
            seen: 0,
        });
        id
    }

    #[expect(clippy::indexing_slicing, reason = "ids are made by `intern` only")]
    fn node(&mut self, id: usize) -> &mut Node {
        &mut self.nodes[id]
    }

    /// Reads all of the closure of `job`, whose own derivation is `drv`, that was not read before.
    /// Derivations are concluded after their inputs, so that what an input leads to is known.
    fn explore(&mut self, job: usize, drv: Option<&Drv>, reader: &dyn DrvReader) {
        enum Step {
            Read(usize),
            Conclude(usize),
        }
        let mut stack = vec![Step::Read(job)];
        while let Some(step) = stack.pop() {
            match step {
                Step::Read(id) if self.node(id).is_read => {}
                Step::Read(id) => {
                    self.node(id).is_read = true;
                    stack.push(Step::Conclude(id));
                    let inputs = if id == job {
                        drv.map(|drv| drv.inputs.clone())
                    } else {
                        let path = self.node(id).path.clone();
                        reader.read(&path).ok().map(|drv| drv.inputs)
                    };
                    for input in inputs.unwrap_or_default() {
                        let input = self.intern(&input);
                        self.node(id).inputs.push(input);
                        self.node(input).users.push(id);
                        stack.push(Step::Read(input));
                    }
                }
                Step::Conclude(id) => {
                    let inputs = self.node(id).inputs.clone();
                    self.node(id).leads_to_job = inputs.into_iter().any(|input| {
                        let input = self.node(input);
                        input.is_job || input.leads_to_job
                    });
                }
            }
        }
    }

    /// The nearest jobs among what `id` needs.
    fn jobs_below(&mut self, id: usize) -> Vec<usize> {
        let mut jobs = Vec::new();
        self.search += 1;
        let mut stack = self.node(id).inputs.clone();
        while let Some(id) = stack.pop() {
            if !self.visit(id) {
                continue;
            }
            let node = self.node(id);
            if node.is_job {
                jobs.push(id);
            } else if node.leads_to_job {
                stack.extend_from_slice(&node.inputs);
            }
        }
        jobs
    }

    /// The nearest jobs that need `id`. Everything between now leads to a job.
    fn jobs_above(&mut self, id: usize) -> Vec<usize> {
        let mut jobs = Vec::new();
        self.search += 1;
        let mut stack = self.node(id).users.clone();
        while let Some(id) = stack.pop() {
            if !self.visit(id) {
                continue;
            }
            let node = self.node(id);
            if node.is_job {
                jobs.push(id);
            } else {
                node.leads_to_job = true;
                stack.extend_from_slice(&node.users);
            }
        }
        jobs
    }

    /// Whether the current search comes to `id` for the first time.
    fn visit(&mut self, id: usize) -> bool {
        let search = self.search;
        std::mem::replace(&mut self.node(id).seen, search) != search
    }

    fn paths(&mut self, ids: &[usize]) -> Vec<DrvPath> {
        let mut paths: Vec<DrvPath> = ids.iter().map(|id| self.node(*id).path.clone()).collect();
        paths.sort_unstable();
        paths
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::{BTreeMap, BTreeSet};
    use std::io;

    use proptest::prelude::*;

    use super::*;

    /// Derivations by number; each needs some of lower numbers.
    struct Memory {
        inputs: BTreeMap<DrvPath, Vec<DrvPath>>,
        reads: Cell<usize>,
    }

    impl DrvReader for Memory {
        fn read(&self, path: &DrvPath) -> io::Result<Drv> {
            self.reads.set(self.reads.get() + 1);
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
            reads: Cell::new(0),
        }
    }

    #[test]
    fn only_nearest_jobs_count() {
        // 4 needs 3 needs 2 needs 1 needs 0.
        let memory = memory(&[&[], &[0], &[1], &[2], &[3]]);
        let mut edges = Edges::default();
        assert_eq!(edges.add(&drv(0), &memory).needs, []);
        assert_eq!(edges.add(&drv(4), &memory).needs, [drv(0)]);
        let middle = edges.add(&drv(2), &memory);
        assert_eq!(
            (middle.needs, middle.needed_by),
            (vec![drv(0)], vec![drv(4)])
        );
        let last = edges.add(&drv(3), &memory);
        assert_eq!((last.needs, last.needed_by), (vec![drv(2)], vec![drv(4)]));
    }

    #[test]
    fn a_derivation_under_two_attributes_is_no_neighbour_of_itself() {
        let memory = memory(&[&[], &[0]]);
        let mut edges = Edges::default();
        edges.add(&drv(1), &memory);
        let first = edges.add(&drv(0), &memory);
        assert_eq!(first.needed_by, [drv(1)]);
        assert_eq!(edges.add(&drv(0), &memory), first);
        assert_eq!(edges.add(&drv(1), &memory).needs, [drv(0)]);
    }

    #[test]
    fn a_derivation_that_cannot_be_read_has_no_neighbours() {
        let mut edges = Edges::default();
        assert_eq!(edges.add(&drv(7), &memory(&[])), Added::default());
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
        let mut edges = Edges::default();
        edges.add(&drv(1000), &memory);
        let before = memory.reads.get();
        edges.add(&drv(1001), &memory);
        assert_eq!(memory.reads.get() - before, 1);
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
        /// Whatever the graph and the order of the jobs, the reported edges say exactly which job
        /// needs which, directly or not.
        #[test]
        fn edges_preserve_reachability((inputs, jobs) in graph_and_jobs()) {
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
            let mut edges = Edges::default();
            let mut reported = Pairs::new();
            for job in &jobs {
                let added = edges.add(&drv(*job), &memory);
                reported.extend(added.needs.iter().map(|needed| (*job, number(needed))));
                reported.extend(added.needed_by.iter().map(|user| (number(user), *job)));
            }
            prop_assert_eq!(transitive(reported), expected);
        }
    }
}
