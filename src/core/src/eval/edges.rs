//! Which jobs need which: the input closures of all jobs as one graph that grows job by job.
//!
//! Every job tells its nearest neighbours among those before it. A search does not go past a job,
//! nor into parts of the graph that are known to lead to none, so the closure that all jobs share
//! (compilers and the like) is read once and never walked again.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::thread;

use super::drv::{Drv, DrvReader, read_all};
use crate::nix::DrvPath;

/// Most threads that read derivations. The store's disk is shared with evaluators and builds.
const THREADS_MAX: usize = 8;

/// The graph so far.
#[derive(Debug)]
pub(super) struct Edges {
    ids: HashMap<DrvPath, usize>,
    nodes: Vec<Node>,
    /// Number of the latest search, see [`Node::seen`].
    search: usize,
    threads: usize,
}

#[derive(Debug)]
struct Node {
    path: DrvPath,
    /// Empty until the derivation was read.
    inputs: Vec<usize>,
    /// Connected derivations that have this one as an input.
    users: Vec<usize>,
    known: Known,
    is_job: bool,
    /// Whether there is a job among what this needs, directly or not. Not kept for jobs.
    leads_to_job: bool,
    /// The latest search that came here.
    seen: usize,
}

/// How much is known about a derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Its name.
    Name,
    /// Its inputs too.
    Inputs,
    /// All of its closure is connected.
    Closure,
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
    pub(super) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self {
            ids: HashMap::new(),
            nodes: Vec::new(),
            search: 0,
            threads: threads.min(THREADS_MAX),
        }
    }

    /// Adds jobs one after the other. A derivation that cannot be read counts as one without
    /// inputs.
    pub(super) fn add(&mut self, jobs: &[&DrvPath], reader: &dyn DrvReader) -> Vec<Added> {
        let drvs = read_all(jobs, reader, self.threads);
        let ids: Vec<usize> = jobs.iter().map(|job| self.intern(job)).collect();
        self.read_closures(&ids, &drvs, reader);
        let added = ids.into_iter().zip(drvs);
        added.map(|(id, drv)| self.add_one(id, drv)).collect()
    }

    fn add_one(&mut self, id: usize, drv: Option<Drv>) -> Added {
        self.explore(id);
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
            known: Known::Name,
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

    /// Reads all of the closures of `jobs`, whose own derivations are `drvs`, that was not read
    /// before: what is one step away from what is known, then what is two steps away, and so on.
    fn read_closures(&mut self, jobs: &[usize], drvs: &[Option<Drv>], reader: &dyn DrvReader) {
        let mut next = Vec::new();
        for (id, drv) in jobs.iter().zip(drvs) {
            self.note_inputs(*id, drv.as_ref(), &mut next);
        }
        while !next.is_empty() {
            let mut ids = std::mem::take(&mut next);
            ids.retain(|id| self.node(*id).known == Known::Name);
            let paths: Vec<DrvPath> = ids.iter().map(|id| self.node(*id).path.clone()).collect();
            let paths: Vec<&DrvPath> = paths.iter().collect();
            let drvs = read_all(&paths, reader, self.threads);
            for (id, drv) in ids.iter().zip(&drvs) {
                self.note_inputs(*id, drv.as_ref(), &mut next);
            }
        }
    }

    /// Notes what `id` needs. What of it has not been read goes to `unread`, once.
    fn note_inputs(&mut self, id: usize, drv: Option<&Drv>, unread: &mut Vec<usize>) {
        if self.node(id).known != Known::Name {
            return;
        }
        self.node(id).known = Known::Inputs;
        for input in drv.map(|drv| drv.inputs.as_slice()).unwrap_or_default() {
            let is_new = !self.ids.contains_key(input);
            let input = self.intern(input);
            self.node(id).inputs.push(input);
            if is_new {
                unread.push(input);
            }
        }
    }

    /// Connects what `job` needs with it. Derivations are concluded after their inputs, so that
    /// what an input leads to is known.
    fn explore(&mut self, job: usize) {
        enum Step {
            Enter(usize),
            Conclude(usize),
        }
        let mut stack = vec![Step::Enter(job)];
        while let Some(step) = stack.pop() {
            match step {
                Step::Enter(id) if self.node(id).known == Known::Closure => {}
                Step::Enter(id) => {
                    self.node(id).known = Known::Closure;
                    stack.push(Step::Conclude(id));
                    for input in self.node(id).inputs.clone() {
                        self.node(input).users.push(id);
                        stack.push(Step::Enter(input));
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
