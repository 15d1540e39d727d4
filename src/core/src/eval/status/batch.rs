use std::time::Instant;

use crate::daemon::{Missing, Wanted};
use crate::machine_line::{CacheStatus, Job};
use crate::nix::StorePath;

/// Jobs that are looked up together.
#[derive(Debug)]
pub(super) struct Batch {
    number: u64,
    jobs: Vec<Job>,
    until: Instant,
    is_answered: bool,
}

impl Batch {
    /// `jobs` leave at `until` at the latest.
    pub(super) fn new(number: u64, jobs: Vec<Job>, until: Instant) -> Self {
        let is_answered = jobs.iter().all(is_local);
        Self {
            number,
            jobs,
            until,
            is_answered,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Number of jobs of which it is not known whether they can be fetched.
    pub(super) fn open(&self) -> usize {
        self.jobs.iter().filter(|job| !is_local(job)).count()
    }

    /// What has to be asked about them. Outputs are asked for themselves where their paths are
    /// known: Nix then looks at no derivation, and does not ask substituters for all that would be
    /// needed to build what they do not have.
    pub(super) fn questions(&self) -> Vec<Wanted> {
        let mut questions = Vec::new();
        for job in self.jobs.iter().filter(|job| !is_local(job)) {
            match known_outputs(job) {
                Some(outputs) => questions.extend(outputs.into_iter().cloned().map(Wanted::Path)),
                None => questions.push(Wanted::Outputs(job.drv_path.clone())),
            }
        }
        questions
    }

    /// There will be no better answer.
    pub(super) fn answered(&mut self) {
        self.is_answered = true;
    }

    pub(super) fn answer(&mut self, missing: &Missing) {
        for job in self.jobs.iter_mut().filter(|job| !is_local(job)) {
            if can_be_fetched(job, missing) {
                job.cache_status = CacheStatus::Cached;
            }
        }
        self.answered();
    }

    pub(super) fn into_jobs(self) -> Vec<Job> {
        self.jobs
    }
}

fn is_local(job: &Job) -> bool {
    job.cache_status == CacheStatus::Local
}

/// All outputs, if all their paths are known before they are built.
fn known_outputs(job: &Job) -> Option<Vec<&StorePath>> {
    let outputs: Option<Vec<&StorePath>> = job.outputs.values().map(Option::as_ref).collect();
    outputs.filter(|outputs| !outputs.is_empty())
}

/// Nix names a path that no substituter has, a derivation that is to be built, and one that is
/// gone. What it does not name is there or can be fetched.
fn can_be_fetched(job: &Job, missing: &Missing) -> bool {
    let drv = job.drv_path.as_store_path();
    let mut outputs = job.outputs.values().flatten();
    !missing.will_build.contains(drv)
        && !missing.unknown.contains(drv)
        && !outputs.any(|output| missing.unknown.contains(output))
}
