//! From the states of the graph to the outcomes of attributes.

use super::{AttributeIndex, Outcome, Run};
use crate::graph::{NodeId, State};

impl Run {
    /// The name of the attribute whose failed build is the reason that `node` is not built.
    pub(super) fn name_of(&self, node: NodeId) -> String {
        self.by_node
            .get(&node)
            .and_then(|indexes| self.attributes.get(*indexes.first()?))
            .map(|attribute| attribute.attr.clone())
            .unwrap_or_default()
    }

    pub(super) fn node_of(&self, index: AttributeIndex) -> Option<NodeId> {
        let job = self.attributes.get(index)?.job.as_ref()?;
        self.graph.node(&job.drv_path)
    }

    /// The attributes with the same derivation; one that did not evaluate is alone.
    pub(super) fn sharing(&self, index: AttributeIndex) -> Vec<AttributeIndex> {
        self.node_of(index)
            .and_then(|node| self.by_node.get(&node).cloned())
            .unwrap_or_else(|| vec![index])
    }

    pub(super) fn set_outcome(&mut self, node: NodeId, outcome: &Outcome) {
        for index in self.by_node.get(&node).into_iter().flatten() {
            if let Some(attribute) = self.attributes.get_mut(*index) {
                attribute.outcome = outcome.clone();
            }
        }
    }

    /// One that was started has a build, although it is not to blame for its failure.
    pub(super) fn note_unbuilt(&mut self, node: NodeId) {
        for index in self.by_node.get(&node).into_iter().flatten() {
            if let Some(attribute) = self.attributes.get(*index)
                && !matches!(attribute.outcome, Outcome::Running | Outcome::Elsewhere)
            {
                self.unbuilt.push(*index);
            }
        }
    }

    /// Copies the ends that the graph found by itself into the attributes.
    pub(super) fn settle(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            match self.graph.state(*node) {
                State::DependencyFailed { cause } => {
                    let cause = self.name_of(cause);
                    self.note_unbuilt(*node);
                    self.set_outcome(*node, &Outcome::DependencyFailed { cause });
                }
                State::Cancelled => self.set_outcome(*node, &Outcome::Cancelled { why: None }),
                State::Waiting | State::Ready | State::Running | State::Finished(_) => {}
            }
        }
    }
}
