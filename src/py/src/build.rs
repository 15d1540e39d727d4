//! Stage build: what the agent says of one build.

use buildbot_nix_core::build;
use buildbot_nix_core::machine_line::{self, Line, Outcome};
use pyo3::prelude::*;

use crate::reader::Reader;

/// The verdict on a build.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash, from_py_object)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BuildResult {
    Succeeded,
    Failed,
    Transient,
    Cancelled,
}

impl From<BuildResult> for machine_line::BuildResult {
    fn from(result: BuildResult) -> Self {
        match result {
            BuildResult::Succeeded => Self::Succeeded,
            BuildResult::Failed => Self::Failed,
            BuildResult::Transient => Self::Transient,
            BuildResult::Cancelled => Self::Cancelled,
        }
    }
}

impl From<machine_line::BuildResult> for BuildResult {
    fn from(result: machine_line::BuildResult) -> Self {
        match result {
            machine_line::BuildResult::Succeeded => Self::Succeeded,
            machine_line::BuildResult::Failed => Self::Failed,
            machine_line::BuildResult::Transient => Self::Transient,
            machine_line::BuildResult::Cancelled => Self::Cancelled,
        }
    }
}

/// Reads the stdout of `buildbot-nix build`.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct OutcomeReader(Reader<Outcome>);

#[pymethods]
impl OutcomeReader {
    #[new]
    fn new() -> Self {
        Self(Reader::new())
    }

    fn feed(&self, python: Python<'_>, data: &[u8]) -> PyResult<()> {
        self.0.feed(python, data, |line| match line {
            Line::Outcome(outcome) => Some(outcome),
            _ => None,
        })
    }

    #[getter]
    fn result(&self) -> Option<BuildResult> {
        self.0
            .with(|reader| reader.found.as_ref().map(|outcome| outcome.result.into()))
    }

    #[getter]
    fn message(&self) -> Option<String> {
        self.0.with(|reader| {
            let said = reader
                .found
                .as_ref()
                .and_then(|outcome| outcome.message.clone());
            said.or_else(|| reader.fatal.clone())
        })
    }

    #[getter]
    fn text(&self) -> Option<String> {
        self.0
            .with(|reader| reader.found.as_ref().map(build::short))
    }

    #[getter]
    fn may_pass(&self) -> bool {
        self.0
            .with(|reader| reader.found.as_ref().is_some_and(|it| it.may_pass))
    }

    #[getter]
    fn exceeded(&self) -> bool {
        self.0
            .with(|reader| reader.found.as_ref().is_some_and(|it| it.exceeded))
    }

    #[getter]
    fn failed_drv(&self) -> Option<String> {
        self.0.with(|reader| {
            let failed = reader.found.as_ref()?.failed_drv.as_ref()?;
            Some(failed.to_string())
        })
    }

    #[getter]
    fn outputs(&self) -> Vec<(String, String)> {
        self.0.with(|reader| {
            let outputs = reader.found.iter().flat_map(|outcome| &outcome.outputs);
            outputs
                .map(|(name, path)| (name.clone(), path.to_string()))
                .collect()
        })
    }
}
