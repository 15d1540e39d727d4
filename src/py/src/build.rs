//! Stage build: what the agent says of one build.

use std::sync::Mutex;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::machine_line::{self, Decoder, Line, Outcome};
use pyo3::prelude::*;

use crate::boundary;

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
pub(crate) struct OutcomeReader(Mutex<Reader>);

#[derive(Default)]
struct Reader {
    decoder: Decoder,
    outcome: Option<Outcome>,
    fatal: Option<String>,
}

impl OutcomeReader {
    fn with<Output>(&self, read: impl FnOnce(&mut Reader) -> Output) -> Output {
        read(
            &mut self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

#[pymethods]
impl OutcomeReader {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    fn feed(&self, python: Python<'_>, data: &[u8]) -> PyResult<()> {
        boundary::call(python, || {
            self.with(|reader| {
                for line in reader.decoder.feed(data)? {
                    match line {
                        Line::Outcome(outcome) => reader.outcome = Some(outcome),
                        Line::Fatal { message, .. } => reader.fatal = Some(message),
                        _ => {}
                    }
                }
                Ok::<_, Error>(())
            })
        })
    }

    #[getter]
    fn result(&self) -> Option<BuildResult> {
        self.with(|reader| reader.outcome.as_ref().map(|outcome| outcome.result.into()))
    }

    #[getter]
    fn message(&self) -> Option<String> {
        self.with(|reader| {
            let said = reader
                .outcome
                .as_ref()
                .and_then(|outcome| outcome.message.clone());
            said.or_else(|| reader.fatal.clone())
        })
    }

    #[getter]
    fn failed_drv(&self) -> Option<String> {
        self.with(|reader| {
            let failed = reader.outcome.as_ref()?.failed_drv.as_ref()?;
            Some(failed.to_string())
        })
    }

    #[getter]
    fn outputs(&self) -> Vec<(String, String)> {
        self.with(|reader| {
            let outputs = reader.outcome.iter().flat_map(|outcome| &outcome.outputs);
            outputs
                .map(|(name, path)| (name.clone(), path.to_string()))
                .collect()
        })
    }
}
