use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Ended;
use crate::run::{Outcome, Run, Tally};

/// Attributes that are known by name, should they be built again. Who rebuilds more than that one
/// by one starts the run again instead.
const NAMES_MAX: usize = 1000;

/// What the builds of a commit come to. It is kept, so that the rebuild of one attribute tells
/// what they come to then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    built: usize,
    failed: usize,
    #[serde(default)]
    failed_before: usize,
    evaluation_failed: usize,
    dependency_failed: usize,
    cancelled: usize,
    already_there: usize,
    /// What is not good, by name.
    bad: BTreeMap<String, Bad>,
}

/// Why an attribute is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Bad {
    Failed,
    FailedBefore,
    EvaluationFailed,
    DependencyFailed,
}

impl Standing {
    /// What `run` comes to; `bad` are its attributes that are not good, by name.
    pub(super) fn of<'r>(run: &Run, bad: impl IntoIterator<Item = (String, &'r Outcome)>) -> Self {
        let Tally {
            waiting,
            running,
            already_there,
            built,
            failed,
            failed_before,
            evaluation_failed,
            dependency_failed,
            cancelled,
        } = run.tally();
        let named = bad.into_iter().filter_map(|(name, outcome)| {
            let bad = match outcome {
                Outcome::Failed { .. } | Outcome::Broken { .. } => Bad::Failed,
                Outcome::FailedBefore { .. } => Bad::FailedBefore,
                Outcome::EvaluationFailed { .. } => Bad::EvaluationFailed,
                Outcome::DependencyFailed { .. } => Bad::DependencyFailed,
                Outcome::Waiting
                | Outcome::Running
                | Outcome::Elsewhere
                | Outcome::AlreadyThere
                | Outcome::Built { .. }
                | Outcome::Cancelled { .. } => return None,
            };
            Some((name, bad))
        });
        Self {
            built,
            failed,
            failed_before,
            evaluation_failed,
            dependency_failed,
            // Whatever the run did not come to.
            cancelled: cancelled + waiting + running,
            already_there,
            bad: named.take(NAMES_MAX).collect(),
        }
    }

    /// The attribute `name` was built once more, well or not.
    pub(super) fn rebuilt(&mut self, name: &str, is_good: bool) {
        match (self.bad.get(name).copied(), is_good) {
            (Some(bad), true) => {
                self.bad.remove(name);
                let count = self.count(bad);
                *count = count.saturating_sub(1);
                self.built += 1;
            }
            (None, false) => {
                self.bad.insert(name.to_owned(), Bad::Failed);
                self.failed += 1;
                self.built = self.built.saturating_sub(1);
            }
            (Some(_), false) | (None, true) => {}
        }
    }

    fn count(&mut self, bad: Bad) -> &mut usize {
        match bad {
            Bad::Failed => &mut self.failed,
            Bad::FailedBefore => &mut self.failed_before,
            Bad::EvaluationFailed => &mut self.evaluation_failed,
            Bad::DependencyFailed => &mut self.dependency_failed,
        }
    }

    /// How the builds ended, taken together.
    pub(super) fn ended(&self) -> Ended {
        let bad = self.failed + self.failed_before + self.evaluation_failed;
        if bad + self.dependency_failed > 0 {
            Ended::Failed
        } else if self.cancelled > 0 {
            Ended::Cancelled
        } else {
            Ended::Succeeded
        }
    }

    /// In words: `12 built, 3 failed, 480 already there`.
    pub(super) fn text(&self) -> String {
        let parts: Vec<String> = [
            (self.built, "built"),
            (self.failed, "failed"),
            (self.failed_before, "failed before"),
            (self.evaluation_failed, "failed to evaluate"),
            (self.dependency_failed, "with a failed dependency"),
            (self.cancelled, "cancelled"),
            (self.already_there, "already there"),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
        if parts.is_empty() {
            return "nothing to build".to_owned();
        }
        parts.join(", ")
    }
}
