use std::time::Instant;

use crate::daemon::Missing;
use crate::machine_line::{CacheStatus, Job};
use crate::nix::{DrvPath, StorePath};

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

    /// Derivations of which it is not known whether they can be fetched.
    pub(super) fn open_questions(&self) -> Vec<DrvPath> {
        let open = self.jobs.iter().filter(|job| !is_local(job));
        open.map(|job| job.drv_path.clone()).collect()
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

/// Nix names a derivation that is to be built, and one that is gone. Of one that it does not name
/// all outputs can be fetched, unless the substituter lost one of them just now.
fn can_be_fetched(job: &Job, missing: &Missing) -> bool {
    let Ok(drv) = job.drv_path.as_str().parse::<StorePath>() else {
        return false;
    };
    let mut outputs = job.outputs.values().flatten();
    !missing.will_build.contains(&drv)
        && !missing.unknown.contains(&drv)
        && !outputs.any(|output| missing.unknown.contains(output))
}
