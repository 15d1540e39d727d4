//! Stage auth: the policy's answers as records.

use buildbot_nix_core::auth::{self, Membership, Provider};
use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge;
use pyo3::prelude::*;

use crate::boundary;

/// What somebody wants to do.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash, from_py_object)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    See,
    Restart,
    Stop,
    Cancel,
    Force,
    Purge,
    Reload,
    Operate,
}

impl From<Action> for auth::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::See => Self::See,
            Action::Restart => Self::Restart,
            Action::Stop => Self::Stop,
            Action::Cancel => Self::Cancel,
            Action::Force => Self::Force,
            Action::Purge => Self::Purge,
            Action::Reload => Self::Reload,
            Action::Operate => Self::Operate,
        }
    }
}

/// Somebody who has logged in.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct User(pub(crate) auth::User);

#[pymethods]
impl User {
    #[new]
    fn new(
        python: Python<'_>,
        provider: &str,
        login: String,
        id: String,
        memberships: Vec<String>,
    ) -> PyResult<Self> {
        boundary::call(python, || {
            let provider: Provider = provider
                .parse()
                .map_err(|error| Error::Config(format!("{error}")))?;
            let memberships = memberships
                .into_iter()
                .map(|name| Membership { provider, name });
            Ok::<_, Error>(Self(auth::User {
                account: auth::Account { provider, login },
                id,
                memberships: memberships.collect(),
            }))
        })
    }

    #[getter]
    fn provider(&self) -> &'static str {
        self.0.account.provider.as_str()
    }

    #[getter]
    fn login(&self) -> &str {
        &self.0.account.login
    }
}

/// What a forge says now of somebody who has logged in.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Standing(pub(crate) forge::Standing);

#[pymethods]
impl Standing {
    #[getter]
    fn login(&self) -> &str {
        &self.0.login
    }

    #[getter]
    fn memberships(&self) -> Vec<String> {
        self.0.memberships.clone()
    }
}

/// Whether something may be done, and why.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Ruling(auth::Decision);

impl From<auth::Decision> for Ruling {
    fn from(decision: auth::Decision) -> Self {
        Self(decision)
    }
}

#[pymethods]
impl Ruling {
    #[getter]
    fn allowed(&self) -> bool {
        self.0.is_allowed()
    }

    #[getter]
    fn hidden(&self) -> bool {
        matches!(self.0.reason(), auth::Reason::Hidden)
    }

    #[getter]
    fn reason(&self) -> String {
        self.0.reason().to_string()
    }
}

/// The account that `text`, `<provider>:<login>`, names.
pub(crate) fn account(text: &str) -> Option<auth::Account> {
    let (provider, login) = text.split_once(':')?;
    Some(auth::Account {
        provider: provider.parse().ok()?,
        login: login.to_owned(),
    })
}
