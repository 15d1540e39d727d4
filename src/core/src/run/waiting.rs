//! What waits: for what it needs, for a slot, for another run.

use super::{Attribute, AttributeIndex, Outcome, Run};

impl Run {
    /// Attributes that wait, in the order of evaluation.
    pub fn waiting(&self) -> impl Iterator<Item = (AttributeIndex, &Attribute)> {
        let attributes = self.attributes.iter().enumerate();
        attributes.filter(|(_, attribute)| attribute.outcome.is_waiting())
    }

    /// The job of that name that waits; of several with the same derivation the one that is handed
    /// out.
    pub fn find_waiting(&self, attr: &str) -> Option<AttributeIndex> {
        let (index, _) = self.waiting().find(|(_, it)| it.attr == attr)?;
        self.sharing(index).first().copied()
    }

    /// Another run builds the derivation of an attribute that was handed out, and it waits for
    /// that; or it is its turn again.
    pub fn set_elsewhere(&mut self, index: AttributeIndex, is_elsewhere: bool) {
        let (from, to) = if is_elsewhere {
            (Outcome::Running, Outcome::Elsewhere)
        } else {
            (Outcome::Elsewhere, Outcome::Running)
        };
        if let Some(node) = self.node_of(index)
            && self.attributes.get(index).map(|it| &it.outcome) == Some(&from)
        {
            self.set_outcome(node, &to);
        }
    }

    /// Names of attributes that this one waits for, as far as it says so itself.
    pub fn unfinished_needs(&self, index: AttributeIndex) -> Vec<&str> {
        let job = self.attributes.get(index).and_then(|it| it.job.as_ref());
        let needs = job.into_iter().flat_map(|job| &job.needs);
        let nodes = needs.filter_map(|drv| self.graph.node(drv));
        nodes
            .filter(|node| !self.graph.state(*node).is_final())
            .filter_map(|node| self.attributes.get(*self.by_node.get(&node)?.first()?))
            .map(|attribute| attribute.attr.as_str())
            .collect()
    }
}
