//! What goes for a run, by the properties of its build.

#![expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 makes maps of its own from dicts"
)]

use std::collections::BTreeMap;

use buildbot_nix_core::{agent, feed, plan};
use pyo3::prelude::*;

use crate::feed::Priority;
use crate::publish::PostBuildStep;
use crate::run::{Job, Unbuilt};

use super::Plan;
use super::row::rows;

/// What a run does about builds that failed before.
#[pyclass(module = "buildbot_nix._native", frozen, eq, hash)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FailureMemory {
    Off,
    Renew,
    Heed,
}

impl From<plan::FailureMemory> for FailureMemory {
    fn from(memory: plan::FailureMemory) -> Self {
        match memory {
            plan::FailureMemory::Off => Self::Off,
            plan::FailureMemory::Renew => Self::Renew,
            plan::FailureMemory::Heed => Self::Heed,
        }
    }
}

#[pymethods]
impl Plan {
    fn priority(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<Priority> {
        self.about(python, project, |plan, project| {
            feed::Priority::of_run(plan, project, &properties).into()
        })
    }

    fn failure_memory(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        reason: &str,
    ) -> PyResult<FailureMemory> {
        self.about(python, project, |plan, project| {
            plan.failure_memory(project, &properties, reason).into()
        })
    }

    fn eval_secrets(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<BTreeMap<&'static str, String>> {
        self.about(python, project, |plan, project| {
            let secrets = plan.trusted_secrets(project, &properties).into_iter();
            secrets
                .map(|(file, name)| (file, name.to_owned()))
                .collect()
        })
    }

    fn post_build_steps(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<Vec<PostBuildStep>> {
        self.about(python, project, |plan, project| {
            rows(plan.post_build_steps(project, &properties))
        })
    }

    fn uploads(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<bool> {
        self.about(python, project, |plan, project| {
            !plan.caches_of(project, &properties).is_empty()
        })
    }

    fn build_properties(
        &self,
        python: Python<'_>,
        project: &str,
        attribute: &str,
        job: &Job,
    ) -> PyResult<BTreeMap<&'static str, String>> {
        self.about(python, project, |_, project| {
            agent::build_properties(project, attribute, &job.job)
        })
    }

    fn unbuilt_properties(
        &self,
        python: Python<'_>,
        project: &str,
        attribute: &str,
        unbuilt: &Unbuilt,
    ) -> PyResult<BTreeMap<&'static str, String>> {
        self.about(python, project, |_, project| {
            agent::unbuilt_properties(project, attribute, &unbuilt.unbuilt)
        })
    }
}
