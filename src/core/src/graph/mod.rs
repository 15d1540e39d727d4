//! The build graph: which derivation may be built now, and what a failure takes down with it.
//!
//! Pure and incremental. Derivations are added while others already build, in any order; adding
//! one, starting one and finishing one each cost the edges they touch. A derivation is one node,
//! under however many attributes it is wanted.

mod order;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::nix::DrvPath;
use order::Order;

/// A node of one [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// How building one derivation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its outputs are there, whatever else was warned of.
    Succeeded,
    /// It was tried and did not work.
    Failed,
    /// It was stopped; this says nothing about the derivation.
    Cancelled,
}

/// Where a derivation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Needs others first.
    Waiting,
    /// May be built.
    Ready,
    /// Handed out by [`Graph::take_ready`].
    Running,
    /// Its own build ended.
    Finished(Verdict),
    /// Never built, because `cause` failed: the first failing build on the way to it.
    DependencyFailed {
        /// The node whose own build failed.
        cause: NodeId,
    },
    /// Never built, because the run was cancelled or what it needs was.
    Cancelled,
}

impl State {
    /// Whether nothing more will happen to the node.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Finished(_) | Self::DependencyFailed { .. } | Self::Cancelled
        )
    }
}

/// Number of nodes by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// [`State::Waiting`] and [`State::Ready`]: nothing was started for them.
    pub waiting: usize,
    /// [`State::Running`].
    pub running: usize,
}

#[derive(Debug)]
struct Node {
    state: State,
    /// Unfinished nodes this one waits for.
    blockers: usize,
    /// Nodes that wait for this one.
    dependents: Vec<NodeId>,
    /// How many wait for this one, one for the other; see [`order`].
    chain: usize,
}

/// Derivations, what they need of each other, and how far they are.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    by_drv: HashMap<DrvPath, NodeId>,
    order: Order,
    counts: Counts,
    /// Nodes that are [`State::Ready`].
    ready: usize,
    /// Nodes below this one are neither waiting nor ready, and never will be.
    cancelled_below: usize,
    /// Nodes and edges that were looked at, ever.
    work: usize,
}

impl Graph {
    /// Adds a derivation that needs the derivations `needs` and is needed by those in
    /// `needed_by`; unknown ones in either list are ignored. A derivation that is there already
    /// is left as it is.
    ///
    /// Returns its node and the nodes that came to their end by this: the new one, if something
    /// it needs has failed before.
    pub fn add(
        &mut self,
        drv: &DrvPath,
        needs: &[DrvPath],
        needed_by: &[DrvPath],
    ) -> (NodeId, Vec<NodeId>) {
        if let Some(known) = self.by_drv.get(drv) {
            return (*known, Vec::new());
        }
        let id = NodeId(self.nodes.len());
        self.by_drv.insert(drv.clone(), id);
        self.nodes.push(Node {
            state: State::Ready,
            blockers: 0,
            dependents: Vec::new(),
            chain: 0,
        });
        self.counts.waiting += 1;
        self.ready += 1;
        self.changed(1);
        for dependent in self.known(needed_by) {
            // One that was started before builds this node's derivation itself, inside Nix.
            if matches!(self.state(dependent), State::Waiting | State::Ready) {
                self.link(dependent, id);
            }
        }
        let mut doom = None;
        for needed in self.known(needs) {
            match self.state(needed) {
                State::Finished(Verdict::Succeeded) => {}
                State::Waiting | State::Ready | State::Running => self.link(id, needed),
                State::Finished(_) | State::DependencyFailed { .. } | State::Cancelled => {
                    doom.get_or_insert_with(|| self.inherited(needed));
                }
            }
        }
        if let Some(doom) = doom {
            self.set_state(id, doom);
            return (id, self.spread_from(id));
        }
        self.enqueue(id);
        (id, Vec::new())
    }

    /// Hands out up to `limit` ready nodes, those first that most others wait for in a chain; they
    /// are running from now on.
    pub fn take_ready(&mut self, limit: usize) -> Vec<NodeId> {
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(id) = self.next_ready() else {
                break;
            };
            self.set_state(id, State::Running);
            taken.push(id);
        }
        taken
    }

    /// Whether [`Graph::take_ready`] would return something.
    pub fn has_ready(&self) -> bool {
        self.ready > 0
    }

    /// Records how a node ended, whether it was handed out or needed no build at all. A second
    /// verdict on the same node is ignored.
    ///
    /// Returns the nodes that came to their end by this: the node and, if it did not succeed,
    /// everything that needs it.
    pub fn finish(&mut self, id: NodeId, verdict: Verdict) -> Vec<NodeId> {
        if self.state(id).is_final() {
            return Vec::new();
        }
        self.set_state(id, State::Finished(verdict));
        self.spread_from(id)
    }

    /// Like [`Graph::finish`] for a node that was tried and failed only because `cause` does not
    /// build: it was started before that was known to be needed.
    pub fn blame(&mut self, id: NodeId, cause: NodeId) -> Vec<NodeId> {
        if self.state(id).is_final() {
            return Vec::new();
        }
        let cause = match self.state(cause) {
            State::DependencyFailed { cause } => cause,
            _ => cause,
        };
        self.set_state(id, State::DependencyFailed { cause });
        self.spread_from(id)
    }

    /// Cancels everything that was not started. Returns those nodes.
    pub fn cancel_waiting(&mut self) -> Vec<NodeId> {
        let waiting: Vec<NodeId> = (self.cancelled_below..self.nodes.len())
            .map(NodeId)
            .filter(|id| matches!(self.state(*id), State::Waiting | State::Ready))
            .collect();
        self.work += self.nodes.len() - self.cancelled_below;
        for id in &waiting {
            self.set_state(*id, State::Cancelled);
        }
        // A run that was cancelled cancels each job that still arrives.
        self.cancelled_below = self.nodes.len();
        waiting
    }

    /// The node of a derivation that was added.
    pub fn node(&self, drv: &DrvPath) -> Option<NodeId> {
        self.by_drv.get(drv).copied()
    }

    /// Where the node stands.
    pub fn state(&self, id: NodeId) -> State {
        self.nodes
            .get(id.0)
            .map_or(State::Cancelled, |node| node.state)
    }

    /// Nodes and edges that were looked at since the beginning: what the graph has cost.
    pub fn work(&self) -> usize {
        self.work
    }

    /// How much is left to do.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether nodes wait for each other in a circle, so that they never become ready. Nix knows
    /// no such derivations; a wrong edge must not hang a run all the same.
    pub fn is_stuck(&self) -> bool {
        self.counts.waiting > 0 && self.counts.running == 0 && !self.has_ready()
    }

    fn known(&self, drvs: &[DrvPath]) -> Vec<NodeId> {
        drvs.iter()
            .filter_map(|drv| self.by_drv.get(drv).copied())
            .collect()
    }

    /// `dependent`, which has not been started, waits for `needed`, which has not ended.
    fn link(&mut self, dependent: NodeId, needed: NodeId) {
        if dependent == needed {
            return;
        }
        if let Some(node) = self.nodes.get_mut(needed.0) {
            node.dependents.push(dependent);
        }
        if let Some(node) = self.nodes.get_mut(dependent.0) {
            node.blockers += 1;
        }
        self.set_state(dependent, State::Waiting);
        self.changed(1);
        self.lengthen(needed, dependent);
    }

    /// The state of what needs `failed`, a node that did not succeed.
    fn inherited(&self, failed: NodeId) -> State {
        match self.state(failed) {
            State::Finished(Verdict::Failed) => State::DependencyFailed { cause: failed },
            State::DependencyFailed { cause } => State::DependencyFailed { cause },
            _ => State::Cancelled,
        }
    }

    /// Tells the dependents of `origin`, which just came to its end, and theirs in turn.
    fn spread_from(&mut self, origin: NodeId) -> Vec<NodeId> {
        let mut ended = vec![origin];
        let mut next = 0;
        while let Some(id) = ended.get(next).copied() {
            next += 1;
            let dependents = self
                .nodes
                .get_mut(id.0)
                .map(|node| std::mem::take(&mut node.dependents))
                .unwrap_or_default();
            let succeeded = self.state(id) == State::Finished(Verdict::Succeeded);
            if succeeded {
                self.work += dependents.len();
            } else {
                // Nothing below has these above it any more.
                self.changed(dependents.len() + 1);
            }
            for dependent in dependents {
                if self.state(dependent) != State::Waiting {
                    continue;
                }
                if !succeeded {
                    let doomed = self.inherited(id);
                    self.set_state(dependent, doomed);
                    ended.push(dependent);
                } else if self.unblock(dependent) {
                    self.set_state(dependent, State::Ready);
                    self.enqueue(dependent);
                }
            }
        }
        ended
    }

    /// One node less to wait for; returns whether it was the last.
    fn unblock(&mut self, id: NodeId) -> bool {
        self.nodes.get_mut(id.0).is_some_and(|node| {
            node.blockers = node.blockers.saturating_sub(1);
            node.blockers == 0
        })
    }

    /// The only place where a state changes, so that the counters cannot drift.
    fn set_state(&mut self, id: NodeId, state: State) {
        let Some(node) = self.nodes.get_mut(id.0) else {
            return;
        };
        match node.state {
            State::Waiting | State::Ready => self.counts.waiting -= 1,
            State::Running => self.counts.running -= 1,
            _ => {}
        }
        match state {
            State::Waiting | State::Ready => self.counts.waiting += 1,
            State::Running => self.counts.running += 1,
            _ => {}
        }
        self.ready += usize::from(state == State::Ready);
        self.ready -= usize::from(node.state == State::Ready);
        node.state = state;
    }
}
