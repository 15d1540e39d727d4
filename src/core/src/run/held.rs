//! Jobs that are held back until it is known whether they have failed before.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use super::{AttributeIndex, Outcome, Run};
use crate::graph::{State, Verdict};
use crate::machine_line::{BuildResult, CacheStatus, Job};
use crate::nix::DrvPath;

/// Jobs that are asked about at once. What is answered is taken in within one turn of the master.
const ASKED_MAX: usize = 1000;

/// A build that failed before, and need not be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Where it can be seen.
    pub url: String,
    /// When it was, seconds since 1970.
    pub failed_at: i64,
}

impl Remembered {
    /// When it was, for people.
    fn when(&self) -> String {
        let time = Timestamp::from_second(self.failed_at);
        let time = time.map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string());
        time.unwrap_or_else(|_| "some time".to_owned())
    }
}

/// Jobs that have arrived and are not in the graph yet, in their order: edges name earlier ones.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Whether anybody answers; else nothing is held back.
    pub(super) is_asked: bool,
    jobs: VecDeque<Job>,
    /// So many of them, the first ones, were asked about.
    asked: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn push(&mut self, job: Job) {
        self.jobs.push_back(job);
    }
}

impl Run {
    /// A run that holds its jobs back until [`Run::answer`] tells which have failed before.
    pub fn asking() -> Self {
        let mut run = Self::default();
        run.held.is_asked = true;
        run
    }

    /// Derivations of which is to be found out whether they have failed before; the caller owes
    /// one [`Run::answer`]. Empty if there is none, or the last answer has not come.
    pub fn take_questions(&mut self) -> Vec<DrvPath> {
        while self.held.asked == 0 && !self.held.is_empty() {
            let jobs = self.held.jobs.iter().take(ASKED_MAX);
            let count = jobs.len();
            let unsure = jobs.filter(|job| job.cache_status != CacheStatus::Local);
            let drvs: Vec<DrvPath> = unsure.map(|job| job.drv_path.clone()).collect();
            self.held.asked = count;
            if !drvs.is_empty() {
                return drvs;
            }
            // Of what is there already, nothing needs to be known.
            self.answer(&HashMap::new());
        }
        Vec::new()
    }

    /// Lets the jobs go on that were asked about. Those in `remembered` are not built again, nor
    /// is what needs them.
    pub fn answer(&mut self, remembered: &HashMap<DrvPath, Remembered>) {
        for _ in 0..std::mem::take(&mut self.held.asked) {
            let Some(job) = self.held.jobs.pop_front() else {
                break;
            };
            let known = remembered.get(&job.drv_path);
            self.admit(job, known);
        }
        self.evaluation_is_in();
    }

    /// The derivation that need not be tried again if the build of the attribute has ended like
    /// that. Only its own builder tells, or that of something it needs that is no attribute.
    pub fn in_vain(
        &self,
        index: AttributeIndex,
        result: BuildResult,
        failed_drv: Option<&DrvPath>,
    ) -> Option<DrvPath> {
        let failed = failed_drv.filter(|_| result == BuildResult::Failed)?;
        if self.graph.node(failed).is_some() {
            return Some(failed.clone());
        }
        let job = self.attributes.get(index)?.job.as_ref()?;
        Some(job.drv_path.clone())
    }

    /// Takes in what is held back as it is.
    pub(super) fn release_held(&mut self) {
        self.held.asked = 0;
        while let Some(job) = self.held.jobs.pop_front() {
            self.admit(job, None);
        }
    }

    fn admit(&mut self, job: Job, known: Option<&Remembered>) {
        let index = self.add_job(job);
        if let Some(known) = known {
            self.fail_as_before(index, known.when(), known.url.clone());
        }
    }

    /// The attribute is not built, because it was in vain before.
    pub(super) fn fail_as_before(&mut self, index: AttributeIndex, when: String, url: String) {
        let Some(node) = self.node_of(index) else {
            return;
        };
        if !matches!(self.graph.state(node), State::Waiting | State::Ready) {
            return;
        }
        self.unbuilt.push(index);
        // Until it has a page of its own.
        self.set_url(index, &url);
        let ended = self.graph.finish(node, Verdict::Failed);
        self.set_outcome(node, &Outcome::FailedBefore { when, url });
        self.settle(&ended);
    }
}
