//! Stage plan: what is done with results, as records.

use std::collections::BTreeMap;

use buildbot_nix_core::config::{self, PostBuildCommand};
use buildbot_nix_core::machine_line::{self, Line};
use buildbot_nix_core::plan::{CachePlan, UploaderPlan};
use pyo3::prelude::*;

use crate::reader::Reader;

/// A command after builds.
#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct PostBuildStep {
    name: String,
    environment: BTreeMap<String, Words>,
    command: Vec<Words>,
    warn_only: bool,
}

/// A text that may have places to be filled in.
#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
#[derive(Clone)]
pub(crate) struct Words {
    text: String,
    interpolate: bool,
}

impl From<&config::Words> for Words {
    fn from(words: &config::Words) -> Self {
        Self {
            text: words.text.clone(),
            interpolate: words.interpolate,
        }
    }
}

impl From<&config::PostBuildStep> for PostBuildStep {
    fn from(step: &config::PostBuildStep) -> Self {
        let plain = |text: &str| Words {
            text: text.to_owned(),
            interpolate: false,
        };
        let command = match &step.command {
            PostBuildCommand::Shell(words) => vec![plain("sh"), plain("-c"), words.into()],
            PostBuildCommand::Program(all) => all.iter().map(Words::from).collect(),
        };
        let environment = step.environment.iter();
        Self {
            name: step.name.clone(),
            environment: environment
                .map(|(name, words)| (name.clone(), words.into()))
                .collect(),
            command,
            warn_only: step.warn_only,
        }
    }
}

/// Somewhere that results are uploaded to.
#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct Cache {
    name: String,
    secrets: BTreeMap<&'static str, String>,
}

impl From<&CachePlan> for Cache {
    fn from(row: &CachePlan) -> Self {
        Self {
            name: row.name.clone(),
            secrets: row.secrets.clone(),
        }
    }
}

/// The builder that uploads what waits on one machine.
#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct Uploader {
    machine: String,
    worker: String,
    builder: String,
    builddir: String,
    scheduler: String,
    force_scheduler: String,
}

impl From<&UploaderPlan> for Uploader {
    fn from(row: &UploaderPlan) -> Self {
        Self {
            machine: row.machine.clone(),
            worker: row.worker.clone(),
            builder: row.builder.clone(),
            builddir: row.builddir.clone(),
            scheduler: row.scheduler.clone(),
            force_scheduler: row.force_scheduler.clone(),
        }
    }
}

/// Reads the stdout of `buildbot-nix upload`.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct UploadReader(Reader<machine_line::Uploaded>);

#[pymethods]
impl UploadReader {
    #[new]
    fn new() -> Self {
        Self(Reader::new())
    }

    fn feed(&self, python: Python<'_>, data: &[u8]) -> PyResult<()> {
        self.0.feed(python, data, |line| match line {
            Line::Uploaded(uploaded) => Some(uploaded),
            _ => None,
        })
    }

    #[getter]
    fn summary(&self) -> Option<String> {
        self.0.with(|reader| {
            let found = reader.found.as_ref();
            found
                .map(machine_line::Uploaded::summary)
                .or_else(|| reader.fatal.clone())
        })
    }

    #[getter]
    fn went_well(&self) -> bool {
        self.0.with(|reader| {
            let found = reader.found.as_ref();
            found.is_some_and(|uploaded| uploaded.message.is_none())
        })
    }
}
