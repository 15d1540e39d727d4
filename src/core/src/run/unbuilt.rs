use super::{Attribute, AttributeIndex, Outcome, Run};
use crate::graph::State;

/// Attributes without a build that are recorded of one run. A broken tree has thousands; the summary
/// lists them all, and their history can do without.
const RECORDED_MAX: usize = 500;

/// An attribute that ended badly without a build of its own: it did not evaluate, it or something
/// that it needs failed, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbuilt {
    /// Of its run.
    pub index: AttributeIndex,
    /// The attribute.
    pub attribute: Attribute,
    /// Where the failed build can be seen that is the reason.
    pub cause_url: Option<String>,
}

impl Run {
    /// Attributes that ended badly without a build since the last call; a bounded number of each
    /// run.
    pub fn take_unbuilt(&mut self) -> Vec<Unbuilt> {
        let ended = std::mem::take(&mut self.unbuilt);
        let left = RECORDED_MAX.saturating_sub(self.recorded);
        let unbuilt: Vec<Unbuilt> = ended
            .into_iter()
            .filter_map(|index| self.unbuilt_one(index))
            .take(left)
            .collect();
        self.recorded += unbuilt.len();
        unbuilt
    }

    fn unbuilt_one(&self, index: AttributeIndex) -> Option<Unbuilt> {
        let attribute = self.attributes.get(index)?.clone();
        let cause_url = match attribute.outcome {
            _ if self.is_recorded(index) => return None,
            Outcome::EvaluationFailed { .. } | Outcome::FailedBefore { .. } => None,
            Outcome::DependencyFailed { .. } => self.url_of_cause(index),
            _ => return None,
        };
        Some(Unbuilt {
            index,
            attribute,
            cause_url,
        })
    }

    fn url_of_cause(&self, index: AttributeIndex) -> Option<String> {
        let State::DependencyFailed { cause } = self.graph.state(self.node_of(index)?) else {
            return None;
        };
        let cause = self.by_node.get(&cause)?.first()?;
        self.attributes.get(*cause)?.url.clone()
    }
}
