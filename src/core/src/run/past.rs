//! A run that goes on where it was when its master ended, or is looked at again later.

use std::collections::HashSet;

use super::{AttributeIndex, Outcome, Run};
use crate::graph::State;
use crate::machine_line::BuildResult;
use crate::nix::DrvPath;

/// The last record of an attribute in an earlier life of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Where it can be seen.
    pub url: String,
    /// What it was.
    pub life: Life,
}

/// What became of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// It was built, or that was tried.
    Built {
        /// How that ended.
        result: BuildResult,
        /// For people: why it failed, or what was done.
        message: Option<String>,
        /// The derivation whose builder failed.
        failed_drv: Option<DrvPath>,
    },
    /// It was not built, since it had failed before.
    FailedBefore {
        /// When, for people.
        when: String,
        /// Where that can be seen.
        url: String,
    },
    /// It did not evaluate, or something that it needs failed.
    Unbuilt {
        /// The attribute that failed.
        cause: Option<String>,
    },
}

impl Past {
    /// Whether it says something of the derivation.
    fn is_telling(&self) -> bool {
        let Life::Built { result, .. } = self.life else {
            return true;
        };
        matches!(result, BuildResult::Succeeded | BuildResult::Failed)
    }
}

impl Run {
    /// Before anything else: what became of attributes, by name. Builds that went their way are not
    /// done again, and what has a record gets no other. The oldest
    /// comes first.
    pub fn restore(&mut self, past: impl IntoIterator<Item = (String, Past)>) {
        for (attr, new) in past {
            let old = self.past.get(&attr);
            // A later attempt that tells nothing takes nothing back.
            if new.is_telling() || !old.is_some_and(Past::is_telling) {
                self.past.insert(attr, new);
            }
        }
    }

    /// Attributes that were not built, or in vain, because `attr` had failed, and may be now that it
    /// was built: nothing else keeps them from it. Before [`Run::close`]. Of several with one
    /// derivation, the first.
    pub fn freed_by(&self, attr: &str) -> Vec<AttributeIndex> {
        let mut jobs = self.attributes.iter().filter_map(|it| it.job.as_ref());
        let Some(built) = jobs.find(|job| job.attr == attr) else {
            return Vec::new();
        };
        let mut seen = HashSet::new();
        let is_freed = |index: &AttributeIndex| {
            let job = self.attributes.get(*index).and_then(|it| it.job.as_ref());
            let (Some(job), Some(node), Some(past)) =
                (job, self.node_of(*index), self.past_of(*index))
            else {
                return false;
            };
            let may_be_built = match &past.life {
                Life::Unbuilt { cause } => {
                    let needs_it = job.needs.contains(&built.drv_path)
                        || built.needed_by.contains(&job.drv_path);
                    cause.is_some() && needs_it && self.graph.state(node) == State::Ready
                }
                // It was begun before it was known to need that.
                Life::Built {
                    result, failed_drv, ..
                } => {
                    *result == BuildResult::Failed
                        && job.drv_path != built.drv_path
                        && failed_drv.as_ref() == Some(&built.drv_path)
                }
                Life::FailedBefore { .. } => false,
            };
            may_be_built && seen.insert(node)
        };
        (0..self.attributes.len()).filter(is_freed).collect()
    }

    /// Nothing more happens to a run of the past: what was not built stays that.
    pub fn close(&mut self) {
        self.release_held();
        let cancelled = self.graph.cancel_waiting();
        self.settle(&cancelled);
        for index in 0..self.attributes.len() {
            let Some(Life::Unbuilt { cause: Some(cause) }) =
                self.past_of(index).map(|past| past.life.clone())
            else {
                continue;
            };
            if let Some(attribute) = self.attributes.get_mut(index)
                && matches!(attribute.outcome, Outcome::Cancelled { .. })
            {
                attribute.outcome = Outcome::DependencyFailed { cause };
            }
        }
    }

    /// Attributes that have ended were built again, as `past` tells, and count as that.
    pub fn amend(&mut self, past: impl IntoIterator<Item = (String, Past)>) {
        self.restore(past);
        for index in 0..self.attributes.len() {
            let Some(Past { url, life }) = self.past_of(index).cloned() else {
                continue;
            };
            let Life::Built {
                result, message, ..
            } = life
            else {
                continue;
            };
            let Some(attribute) = self.attributes.get_mut(index) else {
                continue;
            };
            if !attribute.outcome.is_final() {
                continue;
            }
            attribute.outcome = match result {
                BuildResult::Succeeded => Outcome::Built { how: message },
                BuildResult::Failed => Outcome::Failed {
                    message: message.unwrap_or_default(),
                },
                BuildResult::Transient | BuildResult::Cancelled => continue,
            };
            attribute.url = Some(url);
        }
    }

    /// What is gone, as text for [`Run::recall_lost`].
    pub fn lost_text(&self) -> Option<String> {
        self.lost
            .as_ref()
            .and_then(|lost| serde_json::to_string(lost).ok())
    }

    /// What an earlier life has found to be gone.
    pub fn recall_lost(&mut self, text: &str) {
        self.lost = serde_json::from_str(text).ok();
    }

    /// What became of the attribute in an earlier life takes effect.
    pub(super) fn relive(&mut self, index: AttributeIndex) {
        let Some(Past { url, life }) = self.past_of(index).cloned() else {
            return;
        };
        match life {
            Life::Built {
                result: result @ (BuildResult::Succeeded | BuildResult::Failed),
                message,
                failed_drv,
            } => {
                self.finish(index, result, message.clone(), failed_drv.as_ref());
                self.set_url(index, &url);
                // Somebody had it built all the same.
                if let Some(attribute) = self.attributes.get_mut(index)
                    && result == BuildResult::Succeeded
                    && matches!(attribute.outcome, Outcome::DependencyFailed { .. })
                {
                    attribute.outcome = Outcome::Built { how: message };
                }
            }
            // It says nothing of the derivation.
            Life::Built { .. } => {}
            Life::FailedBefore { when, url: first } => {
                self.fail_as_before(index, when, first);
                self.set_url(index, &url);
            }
            Life::Unbuilt { .. } => self.set_url(index, &url),
        }
    }

    /// Whether the attribute has a record without a build already.
    pub(super) fn is_recorded(&self, index: AttributeIndex) -> bool {
        let past = self.past_of(index);
        past.is_some_and(|past| !matches!(past.life, Life::Built { .. }))
    }

    fn past_of(&self, index: AttributeIndex) -> Option<&Past> {
        self.past.get(&self.attributes.get(index)?.attr)
    }
}
