//! Stage event: what a forge told, and what the master does about it.

use std::collections::BTreeMap;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::event::{self, Action, Build};
use pyo3::prelude::*;

use crate::boundary;
use crate::forge_rows::ForgeKind;

/// A delivery that was verified.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Delivery(pub(crate) event::Delivery);

#[pymethods]
impl Delivery {
    #[staticmethod]
    fn read(python: Python<'_>, text: &str) -> PyResult<Self> {
        boundary::call(python, || Ok::<_, Error>(Self(from_json(text)?)))
    }

    #[getter]
    fn forge(&self) -> ForgeKind {
        self.0.forge.into()
    }

    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    #[getter]
    fn repository(&self) -> Option<&str> {
        self.0.event.repository()
    }

    #[getter]
    fn text(&self, python: Python<'_>) -> PyResult<String> {
        boundary::call(python, || to_json(&self.0))
    }
}

/// What the master does about an event.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Decision {
    action: Action,
    refresh: Option<String>,
}

impl From<event::Decision> for Decision {
    fn from(decision: event::Decision) -> Self {
        Self {
            action: decision.action,
            refresh: decision.refresh,
        }
    }
}

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        Self {
            action,
            refresh: None,
        }
    }
}

/// What is to be done.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    Build,
    Ask,
    Hold,
    Pass,
    Approve,
    Cancel,
    Rerun,
    Ignore,
}

#[pymethods]
impl Decision {
    #[staticmethod]
    fn read(python: Python<'_>, text: &str) -> PyResult<Self> {
        boundary::call(python, || {
            Ok::<_, Error>(Action::Build(from_json(text)?).into())
        })
    }

    #[getter]
    fn deed(&self) -> Deed {
        match &self.action {
            Action::Build(_) => Deed::Build,
            Action::Ask { .. } => Deed::Ask,
            Action::Hold(_) => Deed::Hold,
            Action::Pass { .. } => Deed::Pass,
            Action::Approve { .. } => Deed::Approve,
            Action::Cancel { .. } => Deed::Cancel,
            Action::Rerun { .. } => Deed::Rerun,
            Action::Ignore { .. } => Deed::Ignore,
        }
    }

    #[getter]
    fn refresh(&self) -> Option<&str> {
        self.refresh.as_deref()
    }

    #[getter]
    fn project(&self) -> Option<&str> {
        match &self.action {
            Action::Build(build) | Action::Hold(build) | Action::Pass { build, .. } => {
                Some(&build.change.project)
            }
            Action::Ask { project, .. }
            | Action::Approve { project, .. }
            | Action::Cancel { project, .. }
            | Action::Rerun { project, .. } => Some(project),
            Action::Ignore { .. } => None,
        }
    }

    #[getter]
    fn branch(&self) -> Option<&str> {
        match &self.action {
            Action::Build(build) | Action::Hold(build) | Action::Pass { build, .. } => {
                Some(&build.change.branch)
            }
            Action::Approve { branch, .. } | Action::Cancel { branch, .. } => Some(branch),
            Action::Ask { .. } | Action::Rerun { .. } | Action::Ignore { .. } => None,
        }
    }

    #[getter]
    fn revision(&self) -> Option<&str> {
        match &self.action {
            Action::Build(build) | Action::Hold(build) | Action::Pass { build, .. } => {
                Some(&build.head.revision)
            }
            Action::Approve { revision, .. } => revision.as_deref(),
            Action::Rerun { revision, .. } => Some(revision),
            Action::Ask { .. } | Action::Cancel { .. } | Action::Ignore { .. } => None,
        }
    }

    #[getter]
    fn number(&self) -> Option<u64> {
        match &self.action {
            Action::Approve { number, .. } => Some(*number),
            _ => None,
        }
    }

    #[getter]
    fn user(&self) -> Option<&str> {
        match &self.action {
            Action::Ask { user, .. }
            | Action::Approve { user, .. }
            | Action::Rerun { user, .. } => Some(user),
            _ => None,
        }
    }

    #[getter]
    fn check(&self) -> Option<(&str, Option<&str>)> {
        match &self.action {
            Action::Rerun { check, .. } => {
                let check = check.as_ref()?;
                Some((&check.name, check.external_id.as_deref()))
            }
            _ => None,
        }
    }

    #[getter]
    fn reason(&self) -> Option<&str> {
        match &self.action {
            Action::Cancel { reason, .. }
            | Action::Pass { reason, .. }
            | Action::Ignore { reason } => Some(reason),
            Action::Hold(_) => Some("it waits for `/build` of a member"),
            _ => None,
        }
    }

    #[getter]
    fn change(&self) -> Option<Change> {
        self.build().map(|build| Change::from(&build.change))
    }

    #[getter]
    fn text(&self, python: Python<'_>) -> PyResult<Option<String>> {
        let build = self.build();
        boundary::call(python, || build.map(to_json).transpose())
    }

    #[getter]
    fn head(&self, python: Python<'_>) -> PyResult<Option<String>> {
        let head = self.build().map(|build| &build.head);
        boundary::call(python, || head.map(to_json).transpose())
    }

    fn arrival(&self, python: Python<'_>, known: Option<&str>) -> PyResult<Arrival> {
        let build = self.build();
        boundary::call(python, || {
            let known = known.map(from_json).transpose()?;
            let arrival = build.map(|build| build.head.arrival(known.as_ref()));
            Ok::<_, Error>(arrival.unwrap_or(event::Arrival::Same).into())
        })
    }

    fn answered(&self, is_member: bool) -> Self {
        let action = match &self.action {
            Action::Ask {
                then, otherwise, ..
            } => *if is_member { then } else { otherwise }.clone(),
            other => other.clone(),
        };
        action.into()
    }

    fn agreed(&self) -> Self {
        self.action.clone().agreed().into()
    }
}

impl Decision {
    fn build(&self) -> Option<&Build> {
        match &self.action {
            Action::Build(build) | Action::Hold(build) | Action::Pass { build, .. } => Some(build),
            _ => None,
        }
    }
}

/// What a head is to the one that is known.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Arrival {
    New,
    Same,
    Late,
    Doubtful,
}

impl From<event::Arrival> for Arrival {
    fn from(arrival: event::Arrival) -> Self {
        match arrival {
            event::Arrival::New => Self::New,
            event::Arrival::Same => Self::Same,
            event::Arrival::Late => Self::Late,
            event::Arrival::Doubtful => Self::Doubtful,
        }
    }
}

/// A change for Buildbot.
#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct Change {
    author: String,
    committer: Option<String>,
    comments: String,
    revision: String,
    branch: String,
    category: Option<String>,
    repository: String,
    project: String,
    revlink: String,
    seconds: Option<i64>,
    files: Vec<String>,
    properties: BTreeMap<String, String>,
}

impl From<&event::Change> for Change {
    fn from(change: &event::Change) -> Self {
        let event::Change {
            author,
            committer,
            comments,
            revision,
            branch,
            category,
            repository,
            project,
            revlink,
            seconds,
            files,
            properties,
        } = change.clone();
        Self {
            author,
            committer,
            comments,
            revision,
            branch,
            category,
            repository,
            project,
            revlink,
            seconds,
            files,
            properties,
        }
    }
}

/// What was kept by [`to_json`]; somebody may have changed the database since.
fn from_json<Value: serde::de::DeserializeOwned>(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::Config(format!("kept text: {error}")))
}

fn to_json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Config(format!("{error}")))
}
