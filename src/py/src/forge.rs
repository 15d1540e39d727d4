//! Stage forge: what is asked of forges. Every method that takes a thread's time says so in
//! `_native.pyi`.

use std::collections::BTreeMap;

use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge;
use buildbot_nix_core::report::status;
use pyo3::prelude::*;

use crate::auth::Standing;
use crate::boundary;
use crate::forge_rows::{
    CheckRun, Discovery, ForgeKind, ForgeRepository, GitCredentials, HookOutcome, Permission,
    PullRequest, StatusState,
};
use crate::plan::Plan;
use crate::status::StatusRow;

/// The forges of a master.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Forges(pub(crate) forge::Forges);

impl Forges {
    /// What `work` gives for `repository` and its forge, without the interpreter's lock.
    fn of<Output: Send>(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
        work: impl AsyncFnOnce(
            &dyn forge::Forge,
            &forge::Repository,
        ) -> Result<Output, forge::ForgeError>
        + Send,
    ) -> PyResult<Output> {
        let repository = &repository.0;
        boundary::call(python, || {
            let ask = async |adapter: &dyn forge::Forge| work(adapter, repository).await;
            self.0.ask(repository.forge, ask)
        })
    }
}

#[pymethods]
impl Forges {
    #[new]
    #[pyo3(signature = (plan, memory=None))]
    fn new(plan: &Plan, memory: Option<&[u8]>) -> Self {
        if std::env::var_os("BUILDBOT_NIX_TRACE").is_some() {
            buildbot_nix_cli::show_requests();
        }
        let loaded = &plan.loaded;
        Self(forge::Forges::new(
            loaded.settings(),
            loaded.places(),
            memory,
        ))
    }

    fn are_of(&self, plan: &Plan) -> bool {
        let loaded = &plan.loaded;
        self.0.are_of(loaded.settings(), loaded.places())
    }

    #[getter]
    fn kinds(&self) -> Vec<ForgeKind> {
        self.0.kinds().into_iter().map(ForgeKind::from).collect()
    }

    fn memory(&self, python: Python<'_>) -> PyResult<Vec<u8>> {
        boundary::call(python, || Ok::<_, Error>(self.0.memory()))
    }

    fn close(&self, python: Python<'_>) -> PyResult<()> {
        boundary::call(python, || {
            self.0.close();
            Ok::<_, Error>(())
        })
    }

    fn discover(&self, python: Python<'_>, kind: ForgeKind) -> PyResult<Discovery> {
        let found = boundary::call(python, || self.0.discover(kind.into()))?;
        Ok(Discovery(found))
    }

    fn refresh(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
    ) -> PyResult<ForgeRepository> {
        let now = self.of(python, repository, async |forge, repository| {
            forge.repository(repository).await
        })?;
        Ok(ForgeRepository(now))
    }

    fn ensure_hooks(
        &self,
        python: Python<'_>,
        repositories: Vec<ForgeRepository>,
    ) -> PyResult<Vec<HookOutcome>> {
        let repositories = repositories.into_iter().map(|row| row.0).collect();
        let outcomes = boundary::call(python, || self.0.ensure_hooks(repositories))?;
        Ok(outcomes.into_iter().map(HookOutcome::from).collect())
    }

    fn remove_hooks(
        &self,
        python: Python<'_>,
        repositories: Vec<ForgeRepository>,
    ) -> PyResult<Vec<HookOutcome>> {
        let repositories = repositories.into_iter().map(|row| row.0).collect();
        let outcomes = boundary::call(python, || self.0.remove_hooks(repositories))?;
        Ok(outcomes.into_iter().map(HookOutcome::from).collect())
    }

    #[pyo3(signature = (repository, sha, *, context, state, description, target_url))]
    #[expect(clippy::too_many_arguments, reason = "each has its name in Python")]
    fn post_status(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
        sha: &str,
        context: String,
        state: StatusState,
        description: String,
        target_url: String,
    ) -> PyResult<()> {
        let status = forge::Status {
            context,
            state: state.into(),
            description,
            target_url,
        };
        self.of(python, repository, async |forge, repository| {
            forge.post_status(repository, sha, &status).await
        })
    }

    #[pyo3(signature = (repository, sha, row, check_run))]
    fn tell(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
        sha: &str,
        row: &StatusRow,
        check_run: Option<u64>,
    ) -> PyResult<Option<u64>> {
        let as_check_run = self.0.has_check_runs(repository.0.forge);
        self.of(python, repository, async |forge, repository| {
            status::tell(forge, repository, sha, &row.0, check_run, as_check_run).await
        })
    }

    fn create_check_run(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
        sha: &str,
        run: &CheckRun,
    ) -> PyResult<u64> {
        self.of(python, repository, async |forge, repository| {
            forge.create_check_run(repository, sha, &run.0).await
        })
    }

    fn update_check_run(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
        id: u64,
        run: &CheckRun,
    ) -> PyResult<()> {
        self.of(python, repository, async |forge, repository| {
            forge.update_check_run(repository, id, &run.0).await
        })
    }

    fn pull_request(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
        number: u64,
    ) -> PyResult<PullRequest> {
        let pull = self.of(python, repository, async |forge, repository| {
            forge.pull_request(repository, number).await
        })?;
        Ok(PullRequest::new(pull, &repository.0))
    }

    fn open_pull_requests(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
    ) -> PyResult<Vec<PullRequest>> {
        let pulls = self.of(python, repository, async |forge, repository| {
            forge.open_pull_requests(repository).await
        })?;
        let pulls = pulls.into_iter();
        Ok(pulls
            .map(|pull| PullRequest::new(pull, &repository.0))
            .collect())
    }

    fn branch_head(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
        branch: &str,
    ) -> PyResult<Option<String>> {
        self.of(python, repository, async |forge, repository| {
            forge.branch_head(repository, branch).await
        })
    }

    fn branch_heads(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
    ) -> PyResult<BTreeMap<String, String>> {
        self.of(python, repository, async |forge, repository| {
            forge.branch_heads(repository).await
        })
    }

    fn permission(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
        user: &str,
    ) -> PyResult<Permission> {
        let permission = self.of(python, repository, async |forge, repository| {
            forge.permission(repository, user).await
        })?;
        Ok(permission.into())
    }

    fn standing(
        &self,
        python: Python<'_>,
        plan: &Plan,
        id: &str,
        repositories: Vec<ForgeRepository>,
    ) -> PyResult<Option<Standing>> {
        let repositories = repositories.into_iter().map(|repository| repository.0);
        let repositories: Vec<forge::Repository> = repositories.collect();
        let Some(kind) = repositories.first().map(|repository| repository.forge) else {
            return Ok(None);
        };
        let teams = plan.loaded.plan().access.policy.members_by.teams();
        let standing = boundary::call(python, || {
            self.0.ask(kind, async |forge| {
                forge::Standing::of(forge, id, &repositories, teams).await
            })
        })?;
        Ok(standing.map(Standing))
    }

    fn members(&self, python: Python<'_>, repository: &ForgeRepository) -> PyResult<Vec<String>> {
        self.of(python, repository, async |forge, repository| {
            forge.members(repository).await
        })
    }

    fn git_credentials(
        &self,
        python: Python<'_>,
        repository: &ForgeRepository,
    ) -> PyResult<Option<GitCredentials>> {
        let credentials = self.of(python, repository, async |forge, repository| {
            forge.git_credentials(repository).await
        })?;
        Ok(credentials.map(GitCredentials::from))
    }
}
