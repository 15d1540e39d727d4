//! Command lines of the agent.

#![expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 makes maps and lists of its own"
)]

use std::collections::BTreeMap;

use buildbot_nix_core::agent;
use buildbot_nix_core::error::Error;
use buildbot_nix_core::nix::DrvPath;
use pyo3::prelude::*;

use crate::boundary;

use super::Plan;

/// An evaluation as the master knows it.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Evaluation(agent::Evaluation);

#[pymethods]
impl Evaluation {
    #[new]
    #[pyo3(signature = (*, properties, credentials, url, anew, master, build, running))]
    fn new(
        properties: BTreeMap<String, String>,
        credentials: Option<String>,
        url: String,
        anew: bool,
        master: String,
        build: u64,
        running: Vec<u64>,
    ) -> Self {
        Self(agent::Evaluation {
            properties,
            credentials,
            url,
            is_renewed: anew,
            master,
            build,
            running,
        })
    }
}

#[pymethods]
impl Plan {
    fn checkout_secrets(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<BTreeMap<String, String>> {
        self.about(python, project, |_, project| {
            agent::checkout_secrets(project, &properties)
        })
    }

    fn checkout_command(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        credentials: Option<&str>,
    ) -> PyResult<Vec<String>> {
        self.about(python, project, |_, project| {
            agent::checkout_command(project, &properties, credentials)
        })
    }

    fn eval_command(
        &self,
        python: Python<'_>,
        project: &str,
        evaluation: &Evaluation,
    ) -> PyResult<Vec<String>> {
        self.about(python, project, |plan, project| {
            agent::eval_command(plan, project, &evaluation.0)
        })
    }

    fn build_command(
        &self,
        python: Python<'_>,
        project: &str,
        drv_path: &str,
        attr: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<Vec<String>> {
        self.try_about(python, project, |plan, project| {
            let drv: DrvPath = drv_path
                .parse()
                .map_err(|error| Error::Config(format!("{error}")))?;
            Ok(agent::build_command(plan, project, &drv, attr, &properties))
        })
    }

    #[staticmethod]
    fn post_build_command(
        attr: &str,
        outputs: BTreeMap<String, String>,
        command: Vec<String>,
    ) -> Vec<String> {
        agent::post_build_command(attr, &outputs, &command)
    }

    fn upload_command(
        &self,
        python: Python<'_>,
        cache: &str,
        credentials: Option<&str>,
        attempt: u32,
    ) -> PyResult<Vec<String>> {
        boundary::call(python, || {
            let mut caches = self.plan().caches.iter();
            let cache = caches
                .find(|row| row.name == cache)
                .ok_or_else(|| Error::Config(format!("there is no cache `{cache}`")))?;
            let command = agent::upload_command(self.plan(), cache, credentials, attempt);
            Ok::<_, Error>(command)
        })
    }

    fn keep_command(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        master: &str,
        build: u64,
    ) -> PyResult<Option<Vec<String>>> {
        self.about(python, project, |plan, project| {
            agent::keep_command(plan, project, &properties, master, build)
        })
    }

    fn release_command(&self, master: &str, build: u64) -> Vec<String> {
        agent::release_command(self.plan(), master, build)
    }

    fn forget_command(&self, master: &str, build: u64) -> Vec<String> {
        agent::forget_command(self.plan(), master, build)
    }
}
