//! Stage outbox: which status is sent now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge::{self, ForgeKind};
use buildbot_nix_core::outbox::{self, Next};
use buildbot_nix_core::report::status::urgency;
use pyo3::prelude::*;

use crate::errors::CoreError;
use crate::status::parse_state;

/// Why a forge did not take a status.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash, from_py_object)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    Auth,
    NotFound,
    RateLimited,
    Unavailable,
    Refused,
}

/// Forge, repository, sha and context.
type Key = (String, String, String, String);

/// The statuses that are to be sent.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Outbox(Mutex<outbox::Outbox>);

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, outbox::Outbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Outbox {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }

    fn put(&self, key: Key, state: &str) -> PyResult<()> {
        let urgency = urgency(&key.3, parse_state(state)?);
        self.lock().put(to_core(key)?, urgency);
        Ok(())
    }

    fn take(&self, now: f64) -> Option<Key> {
        self.lock().take(time(now)).map(from_core)
    }

    fn next_at(&self) -> Option<f64> {
        self.lock().next_at().map(|at| at.as_secs_f64())
    }

    fn delivered(&self, key: Key) -> PyResult<()> {
        self.lock().delivered(&to_core(key)?);
        Ok(())
    }

    fn dropped(&self, key: Key) -> PyResult<()> {
        self.lock().dropped(&to_core(key)?);
        Ok(())
    }

    #[pyo3(signature = (key, fault, now, retry_after=0.0))]
    fn failed(&self, key: Key, fault: Fault, now: f64, retry_after: f64) -> PyResult<bool> {
        let fault = match fault {
            Fault::Auth => forge::Fault::Auth,
            Fault::NotFound => forge::Fault::NotFound,
            Fault::RateLimited => forge::Fault::RateLimited(time(retry_after)),
            Fault::Unavailable => forge::Fault::Unavailable,
            Fault::Refused => forge::Fault::Refused,
        };
        let next = self.lock().failed(&to_core(key)?, fault, time(now));
        Ok(next == Next::Again)
    }
}

fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn to_core((forge, repository, sha, context): Key) -> PyResult<outbox::Key> {
    Ok(outbox::Key {
        forge: parse_forge(&forge)?,
        repository,
        sha,
        context,
    })
}

fn from_core(key: outbox::Key) -> Key {
    let forge = key.forge.as_str().to_owned();
    (forge, key.repository, key.sha, key.context)
}

fn parse_forge(word: &str) -> PyResult<ForgeKind> {
    let mut kinds = [ForgeKind::Github, ForgeKind::Gitea].into_iter();
    let known = kinds.find(|kind| kind.as_str() == word);
    known.ok_or_else(|| {
        let error = Error::Config(format!("there is no forge `{word}`"));
        CoreError::from(error).into()
    })
}
