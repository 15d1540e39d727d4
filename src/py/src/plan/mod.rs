//! Stage plan: the master plan as records, and what it says about builds, events and users.
//!
//! Each file has the calls of one kind, all of them methods of [`Plan`].

mod access;
mod command;
mod event;
mod output;
mod row;
mod run;
mod secret;
mod setting;

use std::path::{Path, PathBuf};

use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge::ForgeKind;
use buildbot_nix_core::plan::{LoadedPlan, MasterPlan, ProjectPlan, SecretFiles};
use buildbot_nix_core::report::status::{CommitStatuses, StatusPolicy, StatusRow};
use pyo3::prelude::*;

use crate::boundary;

pub(crate) use command::Evaluation;
pub(crate) use run::FailureMemory;

/// A plan, and what is needed to read the secrets that it names.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Plan {
    pub(crate) loaded: LoadedPlan,
}

#[pyfunction]
pub(crate) fn load_plan(python: Python<'_>, path: &str) -> PyResult<Plan> {
    boundary::call(python, || {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let loaded = LoadedPlan::load(Path::new(path), credentials, SecretFiles::Read)?;
        Ok::<_, Error>(Plan { loaded })
    })
}

impl Plan {
    fn plan(&self) -> &MasterPlan {
        self.loaded.plan()
    }

    /// What `ask` finds out about the project called `name`.
    fn about<Answer: Send>(
        &self,
        python: Python<'_>,
        name: &str,
        ask: impl FnOnce(&MasterPlan, &ProjectPlan) -> Answer + Send,
    ) -> PyResult<Answer> {
        self.try_about(python, name, |plan, project| Ok(ask(plan, project)))
    }

    /// The same, if that can fail for other reasons than that there is no such project.
    fn try_about<Answer: Send>(
        &self,
        python: Python<'_>,
        name: &str,
        ask: impl FnOnce(&MasterPlan, &ProjectPlan) -> Result<Answer, Error> + Send,
    ) -> PyResult<Answer> {
        boundary::call(python, || {
            let plan = self.plan();
            ask(plan, plan.project(name)?)
        })
    }

    /// The statuses of a commit of `project`, of which `known` have been told.
    pub(crate) fn statuses(
        &self,
        project: &str,
        known: impl IntoIterator<Item = StatusRow>,
    ) -> Result<CommitStatuses, Error> {
        let project = self.plan().project(project)?;
        let is_github = project.ref_type == ForgeKind::Github.as_str();
        let with_pages = is_github && self.plan().check_runs;
        let policy = StatusPolicy::new(&self.plan().statuses, with_pages);
        let (ref_type, name) = (project.ref_type.clone(), project.name.clone());
        Ok(CommitStatuses::new(policy, ref_type, name, known))
    }
}
