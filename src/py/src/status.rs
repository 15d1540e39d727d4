//! Stage report: the statuses of commits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use buildbot_nix_core::error::Error;
use buildbot_nix_core::report::status::{self, Cause, State};
use pyo3::prelude::*;

use crate::boundary;
use crate::errors::CoreError;
use crate::plan::Plan;
use crate::run::Run;

/// How a run, an evaluation or a build ended.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash, from_py_object)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    Succeeded,
    Warned,
    Failed,
    Broken,
    Cancelled,
    Again,
}

impl From<Ended> for status::Ended {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Succeeded => Self::Succeeded,
            Ended::Warned => Self::Warned,
            Ended::Failed => Self::Failed,
            Ended::Broken => Self::Broken,
            Ended::Cancelled => Self::Cancelled,
            Ended::Again => Self::Again,
        }
    }
}

/// One status of one commit.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct StatusRow(pub(crate) status::StatusRow);

#[pymethods]
impl StatusRow {
    #[new]
    #[expect(
        clippy::too_many_arguments,
        reason = "keywords, as the row has columns"
    )]
    #[pyo3(signature = (*, context, state, description, url, run, build, page, standing))]
    fn new(
        context: String,
        state: &str,
        description: String,
        url: String,
        run: u64,
        build: u64,
        page: Option<&str>,
        standing: Option<&str>,
    ) -> PyResult<Self> {
        Ok(Self(status::StatusRow {
            context,
            state: parse_state(state)?,
            description,
            cause: Cause { run, build, url },
            // What another version has written is not known, and that does no harm.
            page: page.and_then(|page| serde_json::from_str(page).ok()),
            standing: standing.and_then(|standing| serde_json::from_str(standing).ok()),
        }))
    }

    #[getter]
    fn context(&self) -> &str {
        &self.0.context
    }

    #[getter]
    fn state(&self) -> &'static str {
        self.0.state.as_str()
    }

    #[getter]
    fn description(&self) -> &str {
        &self.0.description
    }

    #[getter]
    fn url(&self) -> &str {
        &self.0.cause.url
    }

    #[getter]
    fn run(&self) -> u64 {
        self.0.cause.run
    }

    #[getter]
    fn build(&self) -> u64 {
        self.0.cause.build
    }

    #[getter]
    fn page(&self) -> Option<String> {
        serde_json::to_string(self.0.page.as_ref()?).ok()
    }

    #[getter]
    fn standing(&self) -> Option<String> {
        serde_json::to_string(self.0.standing.as_ref()?).ok()
    }
}

/// The state that is kept under `word`.
pub(crate) fn parse_state(word: &str) -> PyResult<State> {
    State::parse(word).ok_or_else(|| {
        let error = Error::Config(format!("there is no state `{word}` of a status"));
        CoreError::from(error).into()
    })
}

/// All statuses of one commit.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct CommitStatuses(Mutex<status::CommitStatuses>);

impl CommitStatuses {
    fn lock(&self) -> MutexGuard<'_, status::CommitStatuses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happens(
        &self,
        python: Python<'_>,
        what: impl FnOnce(&mut status::CommitStatuses) + Send,
    ) -> PyResult<()> {
        boundary::call(python, || {
            what(&mut self.lock());
            Ok::<_, Error>(())
        })
    }
}

#[pymethods]
impl CommitStatuses {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 makes it of a list")]
    fn new(plan: &Plan, project: &str, known: Vec<Py<StatusRow>>) -> PyResult<Self> {
        let known = known.iter().map(|row| row.get().0.clone());
        plan.statuses(project, known)
            .map(|statuses| Self(Mutex::new(statuses)))
            .map_err(|error| CoreError::from(error).into())
    }

    fn changed(&self) -> Vec<StatusRow> {
        self.lock().changed().cloned().map(StatusRow).collect()
    }

    fn run_held(&self, python: Python<'_>, url: String) -> PyResult<()> {
        self.happens(python, |statuses| statuses.run_held(url))
    }

    fn run_let_go(&self, python: Python<'_>, text: &str) -> PyResult<()> {
        self.happens(python, |statuses| statuses.run_let_go(text))
    }

    fn run_waits(&self, python: Python<'_>, run: u64, build: u64, url: String) -> PyResult<()> {
        let cause = Cause { run, build, url };
        self.happens(python, |statuses| statuses.run_waits(&cause))
    }

    fn run_started(&self, python: Python<'_>, run: u64, build: u64, url: String) -> PyResult<()> {
        let cause = Cause { run, build, url };
        self.happens(python, |statuses| statuses.run_started(&cause))
    }

    #[expect(clippy::too_many_arguments, reason = "the cause is three of them")]
    fn evaluation_ended(
        &self,
        python: Python<'_>,
        run: u64,
        build: u64,
        url: String,
        ended: Ended,
        found: Option<&Run>,
        text: &str,
    ) -> PyResult<()> {
        let cause = Cause { run, build, url };
        self.happens(python, |statuses| {
            let found = found.map(Run::lock);
            statuses.evaluation_ended(&cause, ended.into(), found.as_deref(), text);
        })
    }

    fn attribute_started(
        &self,
        python: Python<'_>,
        run: u64,
        build: u64,
        url: String,
        name: &str,
    ) -> PyResult<()> {
        let cause = Cause { run, build, url };
        self.happens(python, |statuses| statuses.attribute_started(&cause, name))
    }

    #[expect(clippy::too_many_arguments, reason = "the cause is three of them")]
    fn attribute_ended(
        &self,
        python: Python<'_>,
        run: u64,
        build: u64,
        url: String,
        ended: Ended,
        name: &str,
        text: &str,
        is_rebuild: bool,
    ) -> PyResult<()> {
        let cause = Cause { run, build, url };
        self.happens(python, |statuses| {
            if is_rebuild {
                statuses.attribute_rebuilt(&cause, ended.into(), name, text);
            } else {
                statuses.attribute_ended(&cause, ended.into(), name, text);
            }
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the cause is three of them")]
    fn run_ended(
        &self,
        python: Python<'_>,
        run: u64,
        build: u64,
        url: String,
        ended: Ended,
        found: Option<&Run>,
        text: &str,
        stopped_because: Option<&str>,
    ) -> PyResult<()> {
        let cause = Cause { run, build, url };
        self.happens(python, |statuses| {
            let found = found.map(Run::lock);
            statuses.run_ended(
                &cause,
                ended.into(),
                found.as_deref(),
                text,
                stopped_because,
            );
        })
    }

    fn abandoned(&self, python: Python<'_>, run: u64, ended: Ended, text: &str) -> PyResult<()> {
        self.happens(python, |statuses| {
            statuses.abandoned(run, ended.into(), text);
        })
    }
}
