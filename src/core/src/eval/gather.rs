//! Jobs that wait to be looked up together.

use std::time::{Duration, Instant};

use super::found::FoundJob;

/// So many jobs wait for no others.
const ENOUGH: usize = 500;
/// A job does not wait longer for others.
const WAIT: Duration = Duration::from_millis(100);

/// Jobs that were found since others were taken.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    jobs: Vec<FoundJob>,
    /// When the last ones were taken. The first job of all waits for none.
    taken: Option<Instant>,
}

impl Gathering {
    pub(super) fn add(&mut self, job: FoundJob) {
        self.jobs.push(job);
    }

    /// Whether the jobs should be taken at `now`.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.jobs.is_empty() && self.patience(now).is_zero()
    }

    /// How long it is until jobs are due, or may be if there are none yet.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        match self.taken {
            _ if self.jobs.is_empty() => WAIT,
            Some(taken) if self.jobs.len() < ENOUGH => {
                WAIT.saturating_sub(now.saturating_duration_since(taken))
            }
            _ => Duration::ZERO,
        }
    }

    /// All jobs, in the order in which they were found.
    pub(super) fn take(&mut self, now: Instant) -> Vec<FoundJob> {
        if !self.jobs.is_empty() {
            self.taken = Some(now);
        }
        std::mem::take(&mut self.jobs)
    }
}
