use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::leases::{self, Leases};
use super::machine::Machine;
use super::share::{Share, share};
use crate::error::Error;
use crate::eval::Limits;

/// How long an answer holds. To look costs a millisecond or two.
const FRESH: Duration = Duration::from_secs(2);

/// The part of the machine that one evaluation uses. It changes while others come and go.
#[derive(Debug)]
pub(in super::super) struct Budget {
    limits: Limits,
    leases: Option<Leases>,
    root: PathBuf,
    cores: usize,
    last: Mutex<Option<(Instant, Share)>>,
}

impl Budget {
    /// From now on, other evaluations on this machine know of this one. The error tells why this
    /// one and others do not know of each other.
    pub(in super::super) fn open(limits: &Limits) -> (Self, Option<Error>) {
        let (leases, error) = match Leases::join() {
            Ok(leases) => (Some(leases), None),
            Err(error) => (None, Some(error)),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let budget = Self::new(limits, leases, Path::new("/"), cores);
        (budget, error)
    }

    fn new(limits: &Limits, leases: Option<Leases>, root: &Path, cores: usize) -> Self {
        Self {
            limits: limits.clone(),
            leases,
            root: root.to_owned(),
            cores,
            last: Mutex::default(),
        }
    }

    /// What this evaluation may use now, known for some seconds.
    pub(in super::super) fn share(&self) -> Share {
        // An answer is complete before the lock is released.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, share)) if at.elapsed() < FRESH => share,
            _ => {
                let share = self.share_now();
                *last = Some((Instant::now(), share));
                share
            }
        }
    }

    /// Runs `work`, which may use all that is given to it now until it ends.
    pub(in super::super) fn promise<T>(&self, work: impl FnOnce(Share) -> T) -> T {
        let share = self.share_now();
        let promise = |memory| {
            if let Some(leases) = &self.leases {
                leases.promise(memory);
            }
        };
        promise(Some(share.memory * share.evaluators as u64));
        let result = work(share);
        promise(None);
        result
    }

    fn share_now(&self) -> Share {
        let others = self.leases.as_ref().map(Leases::others).unwrap_or_default();
        let machine = Machine::read(&self.root, self.cores);
        let own_use = leases::used(std::process::id());
        share(machine, &self.limits, own_use, &others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_share_a_machine_while_they_run() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits {
            memory: 1000,
            ..Limits::default()
        };
        // A machine that does not tell its memory: only the number of evaluations counts.
        let start = || {
            let leases = Leases::join_in(folder.path()).unwrap();
            Budget::new(&limits, Some(leases), folder.path(), 4)
        };
        let first = start();
        assert_eq!(first.share_now().evaluators, 4);
        let second = start();
        assert_eq!(first.share_now().evaluators, 2);
        assert_eq!(second.share().evaluators, 2);
        second.promise(|share| {
            assert_eq!(share.evaluators, 2);
            let seen = first.leases.as_ref().unwrap().others();
            assert_eq!(seen[0].promised, Some(2000));
        });
        assert_eq!(first.leases.as_ref().unwrap().others()[0].promised, None);
        drop(second);
        assert_eq!(first.share_now().evaluators, 4);
    }
}
