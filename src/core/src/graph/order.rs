//! What is handed out first: the node with the longest chain of others that wait for it, because
//! the run cannot end before that chain has. Among equals, the one that came first.
//!
//! Every edge that is added would change the chains of all that is below it, which costs the
//! square of the edges when a deep graph arrives from the bottom. So a new edge is told to its own
//! ends only, and all chains are measured again once half as much has changed as the last
//! measurement looked at. That keeps their sum linear.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Graph, NodeId, State};

/// The ready nodes, and how far their order can be believed.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// By length of chain, then by arrival. Entries of nodes that are no longer ready, and older
    /// ones of nodes whose chain has grown, are passed over.
    queue: BinaryHeap<(usize, Reverse<NodeId>)>,
    /// Nodes and edges that came or went since the last measurement.
    changes: usize,
    /// Nodes and edges that the last measurement looked at.
    measured: usize,
}

impl Graph {
    /// Measures all chains, so that the order is exact until the graph changes. Worth its time when
    /// nothing more is to come; before, it happens on its own often enough.
    pub fn measure(&mut self) {
        let order = self.bottom_up();
        let edges: usize = order.iter().map(|id| self.dependents(*id).len()).sum();
        self.order.measured = self.nodes.len() + edges;
        self.work += self.order.measured;
        self.order.changes = 0;
        self.order.queue.clear();
        for id in order.into_iter().rev() {
            let above = self.dependents(id).iter();
            let waiting = above.filter(|above| self.state(**above) == State::Waiting);
            let longest = waiting.map(|above| self.chain(*above) + 1).max();
            if let Some(node) = self.nodes.get_mut(id.0) {
                node.chain = longest.unwrap_or(0);
            }
            self.enqueue(id);
        }
    }

    /// The next node to build.
    pub(super) fn next_ready(&mut self) -> Option<NodeId> {
        if self.order.changes * 2 > self.order.measured {
            self.measure();
        }
        while let Some((_, Reverse(id))) = self.order.queue.pop() {
            self.work += 1;
            if self.state(id) == State::Ready {
                return Some(id);
            }
        }
        None
    }

    /// Adds the node to the queue, if it is ready.
    pub(super) fn enqueue(&mut self, id: NodeId) {
        if self.state(id) == State::Ready {
            self.order.queue.push((self.chain(id), Reverse(id)));
        }
    }

    /// `needed` has `dependent` above it now.
    pub(super) fn lengthen(&mut self, needed: NodeId, dependent: NodeId) {
        let chain = self.chain(dependent) + 1;
        if chain > self.chain(needed)
            && let Some(node) = self.nodes.get_mut(needed.0)
        {
            node.chain = chain;
            self.enqueue(needed);
        }
    }

    /// As many nodes or edges came or went.
    pub(super) fn changed(&mut self, count: usize) {
        self.order.changes += count;
        self.work += count;
    }

    /// Number of nodes that wait for this one, one for the other, as far as it is known.
    fn chain(&self, id: NodeId) -> usize {
        self.nodes.get(id.0).map_or(0, |node| node.chain)
    }

    fn dependents(&self, id: NodeId) -> &[NodeId] {
        self.nodes.get(id.0).map_or(&[], |node| &node.dependents)
    }

    /// What has not ended, each after all that it waits for; without what waits in a circle.
    fn bottom_up(&self) -> Vec<NodeId> {
        let mut blockers: Vec<usize> = self.nodes.iter().map(|node| node.blockers).collect();
        let mut order: Vec<NodeId> = (0..self.nodes.len())
            .map(NodeId)
            .filter(|id| matches!(self.state(*id), State::Ready | State::Running))
            .collect();
        let mut next = 0;
        while let Some(id) = order.get(next).copied() {
            next += 1;
            for above in self.dependents(id) {
                let Some(left) = blockers.get_mut(above.0) else {
                    continue;
                };
                *left = left.saturating_sub(1);
                if *left == 0 && self.state(*above) == State::Waiting {
                    order.push(*above);
                }
            }
        }
        order
    }
}
