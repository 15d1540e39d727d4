//! Rows that become objects of Buildbot.

use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge::Repository;
use buildbot_nix_core::plan::{self, ServicePlan};
use pyo3::prelude::*;

use crate::boundary;
use crate::forge_rows::ForgeRepository;
use crate::publish::{Cache, PostBuildStep, Uploader};
use crate::rows::{Builder, CancelFilter, Poller, Project, Scheduler, Worker};

use super::Plan;

/// `rows` as Python has them.
pub(super) fn rows<'row, Row: 'row, Record: From<&'row Row>>(
    rows: impl IntoIterator<Item = &'row Row>,
) -> Vec<Record> {
    rows.into_iter().map(Record::from).collect()
}

impl Plan {
    fn cancellers(&self) -> impl Iterator<Item = (&String, &Vec<plan::CancelFilter>)> {
        self.plan().services.iter().map(|service| match service {
            ServicePlan::BuildCanceller { name, filters } => (name, filters),
        })
    }
}

#[pymethods]
impl Plan {
    fn with_repositories(
        &self,
        python: Python<'_>,
        repositories: Vec<ForgeRepository>,
    ) -> PyResult<Self> {
        let repositories = repositories.into_iter().map(|row| row.0);
        let repositories: Vec<Repository> = repositories.collect();
        boundary::call(python, || {
            let loaded = self.loaded.clone().with_repositories(&repositories);
            Ok::<_, Error>(Self { loaded })
        })
    }

    fn project(&self, python: Python<'_>, name: &str) -> PyResult<Project> {
        self.about(python, name, |plan, project| Project::new(project, plan))
    }

    #[getter]
    fn projects(&self) -> Vec<Project> {
        let projects = self.plan().projects.iter();
        projects.map(|row| Project::new(row, self.plan())).collect()
    }

    #[getter]
    fn workers(&self) -> Vec<Worker> {
        rows(&self.plan().workers)
    }

    #[getter]
    fn builders(&self) -> Vec<Builder> {
        rows(&self.plan().builders)
    }

    #[getter]
    fn schedulers(&self) -> Vec<Scheduler> {
        rows(&self.plan().schedulers)
    }

    #[getter]
    fn pollers(&self) -> Vec<Poller> {
        rows(&self.plan().pollers)
    }

    #[getter]
    fn build_canceller(&self) -> String {
        self.cancellers()
            .next()
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    #[getter]
    fn cancel_filters(&self) -> Vec<CancelFilter> {
        rows(self.cancellers().flat_map(|(_, filters)| filters))
    }

    #[getter]
    fn all_post_build_steps(&self) -> Vec<PostBuildStep> {
        rows(&self.plan().post_build.steps)
    }

    #[getter]
    fn caches(&self) -> Vec<Cache> {
        rows(&self.plan().caches)
    }

    #[getter]
    fn uploaders(&self) -> Vec<Uploader> {
        rows(&self.plan().uploaders)
    }
}
