//! Stage graph: whose build gets the next slot of a machine.

use std::sync::{Mutex, MutexGuard, PoisonError};

use buildbot_nix_core::feed;
use pyo3::prelude::*;

/// How urgent builds are.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash, from_py_object)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Priority {
    Branch,
    PullRequest,
    MergeQueue,
    ByHand,
}

impl From<feed::Priority> for Priority {
    fn from(priority: feed::Priority) -> Self {
        match priority {
            feed::Priority::Branch => Self::Branch,
            feed::Priority::PullRequest => Self::PullRequest,
            feed::Priority::MergeQueue => Self::MergeQueue,
            feed::Priority::ByHand => Self::ByHand,
        }
    }
}

impl From<Priority> for feed::Priority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Branch => Self::Branch,
            Priority::PullRequest => Self::PullRequest,
            Priority::MergeQueue => Self::MergeQueue,
            Priority::ByHand => Self::ByHand,
        }
    }
}

/// The queue for the slots of a machine.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Turns(Mutex<feed::Turns>);

impl Turns {
    fn lock(&self) -> MutexGuard<'_, feed::Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Turns {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    fn add(&self, source: usize, priority: Priority, project: &str) {
        self.lock().add(source, priority.into(), project);
    }

    fn remove(&self, source: usize) {
        self.lock().remove(source);
    }

    fn take(&self) -> Option<usize> {
        self.lock().take()
    }

    fn given(&self) {
        self.lock().given();
    }
}
