//! Stage plan: the master plan as records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use buildbot_nix_core::agent;
use buildbot_nix_core::auth::Provider;
use buildbot_nix_core::auth::login::{self, LoginSettings};
use buildbot_nix_core::error::Error;
use buildbot_nix_core::event;
use buildbot_nix_core::feed;
use buildbot_nix_core::forge::{self, Forge};
use buildbot_nix_core::nix::{DrvPath, StorePath};
use buildbot_nix_core::plan::{
    self, LoadedPlan, MasterPlan, ProjectPlan, SecretFiles, ServicePlan,
};
use buildbot_nix_core::report::status::{CommitStatuses, StatusPolicy, StatusRow};
use pyo3::prelude::*;

use crate::auth::{self, Action, Ruling, User};
use crate::boundary;
use crate::event::{Decision, Delivery};
use crate::feed::Priority;
use crate::forge::Forges;
use crate::forge_rows::{ForgeKind, ForgeRepository, Permission, PullRequest};
use crate::login::Logins;
use crate::publish::{Cache, PostBuildStep, Uploader};
use crate::rows::{BranchDecision, Builder, CancelFilter, Poller, Project, Scheduler, Worker};
use crate::run::{Job, Run, Unbuilt};

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

/// Branches by name of the project.
type Branches = BTreeMap<String, BTreeSet<String>>;

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
    pub(crate) fn loaded(&self) -> &LoadedPlan {
        &self.loaded
    }

    fn plan(&self) -> &MasterPlan {
        self.loaded.plan()
    }

    fn project(&self, name: &str) -> Result<&ProjectPlan, Error> {
        let mut projects = self.plan().projects.iter();
        projects
            .find(|project| project.name.as_str() == name)
            .ok_or_else(|| Error::Config(format!("there is no project `{name}`")))
    }

    /// The statuses of a commit of `project`, of which `known` have been told.
    pub(crate) fn statuses(
        &self,
        project: &str,
        known: impl IntoIterator<Item = StatusRow>,
    ) -> Result<CommitStatuses, Error> {
        let project = self.project(project)?;
        let is_github = project.ref_type == forge::ForgeKind::Github.as_str();
        let with_pages = is_github && self.plan().check_runs;
        let policy = StatusPolicy::new(&self.plan().statuses, with_pages);
        let (ref_type, name) = (project.ref_type.clone(), project.name.clone());
        Ok(CommitStatuses::new(policy, ref_type, name, known))
    }

    fn cancellers(&self) -> impl Iterator<Item = (&String, &Vec<plan::CancelFilter>)> {
        self.plan().services.iter().map(|service| match service {
            ServicePlan::BuildCanceller { name, filters } => (name, filters),
        })
    }
}

fn rows<'row, Row: 'row, Record: From<&'row Row>>(
    rows: impl IntoIterator<Item = &'row Row>,
) -> Vec<Record> {
    rows.into_iter().map(Record::from).collect()
}

#[pymethods]
impl Plan {
    #[getter]
    fn title(&self) -> &str {
        &self.plan().title
    }

    #[getter]
    fn url(&self) -> &str {
        &self.plan().url
    }

    #[getter]
    fn port(&self) -> &str {
        &self.plan().port
    }

    #[getter]
    fn worker_port(&self) -> &str {
        &self.plan().worker_port
    }

    #[getter]
    fn login_providers(&self) -> Vec<&'static str> {
        let providers = self.plan().access.providers.iter();
        providers.map(|provider| provider.as_str()).collect()
    }

    #[getter]
    fn session_lifetime(&self) -> u32 {
        self.plan().access.session_lifetime
    }

    #[getter]
    fn hides_private(&self) -> bool {
        self.plan().access.policy.hides_private
    }

    #[pyo3(signature = (user, permission, action, project, author))]
    fn rule(
        &self,
        user: Option<&User>,
        permission: Permission,
        action: Action,
        project: Option<&str>,
        author: Option<&str>,
    ) -> Ruling {
        let author = author.and_then(auth::account);
        let user = user.map(|user| &user.0);
        let (permission, action) = (permission.into(), action.into());
        let plan = self.plan();
        plan.rule(user, permission, action, project, author.as_ref())
            .into()
    }

    #[pyo3(signature = (user, action, project, author))]
    fn depends_on_permission(
        &self,
        user: Option<&User>,
        action: Action,
        project: Option<&str>,
        author: Option<&str>,
    ) -> bool {
        let author = author.and_then(auth::account);
        let user = user.map(|user| &user.0);
        self.plan()
            .depends_on_permission(user, action.into(), project, author.as_ref())
    }

    #[getter]
    fn concurrent_evaluations(&self) -> u32 {
        self.plan().evaluation.concurrent
    }

    #[getter]
    fn build_timeout(&self) -> u64 {
        self.plan().building.timeout
    }

    #[getter]
    fn cache_failed_builds(&self) -> bool {
        self.plan().building.remember_failures
    }

    #[getter]
    fn retention(&self) -> BTreeMap<&'static str, u64> {
        self.plan().retention.seconds()
    }

    #[getter]
    fn forges(&self) -> Vec<ForgeKind> {
        let settings = self.loaded.settings();
        let github = settings.github.as_ref().map(|_| ForgeKind::Github);
        let gitea = settings.gitea.as_ref().map(|_| ForgeKind::Gitea);
        github.into_iter().chain(gitea).collect()
    }

    fn with_repositories(
        &self,
        python: Python<'_>,
        repositories: Vec<ForgeRepository>,
    ) -> PyResult<Self> {
        let repositories = repositories.into_iter().map(|row| row.0);
        let repositories: Vec<forge::Repository> = repositories.collect();
        boundary::call(python, || {
            let loaded = self.loaded.clone().with_repositories(&repositories);
            Ok::<_, Error>(Self { loaded })
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn receive(
        &self,
        python: Python<'_>,
        forge: ForgeKind,
        headers: BTreeMap<String, String>,
        body: &[u8],
    ) -> PyResult<Delivery> {
        boundary::call(python, || {
            let delivery = self.loaded.receive(forge.into(), &headers, body);
            delivery.map(Delivery)
        })
    }

    fn decide(&self, python: Python<'_>, delivery: &Delivery) -> PyResult<Decision> {
        boundary::call(python, || {
            let decision = self.plan().decide(delivery.0.forge, &delivery.0.event);
            Ok::<_, Error>(decision.into())
        })
    }

    fn decide_found(
        &self,
        python: Python<'_>,
        project: &str,
        pull_request: &PullRequest,
    ) -> PyResult<Decision> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let pull_request = pull_request.clone().described()?;
            let action = self.plan().decide_pull_request(project, &pull_request);
            Ok::<_, Error>(action.into())
        })
    }

    fn compare(
        &self,
        python: Python<'_>,
        project: &str,
        branches: BTreeMap<String, String>,
        pull_requests: Vec<PullRequest>,
        known: BTreeMap<String, String>,
    ) -> PyResult<Vec<Decision>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let pull_requests = pull_requests.into_iter().map(PullRequest::described);
            let found = event::Found {
                branches,
                pull_requests: pull_requests.collect::<Result<_, _>>()?,
            };
            // One that cannot be read is found anew.
            let known = known
                .into_iter()
                .filter_map(|(branch, head)| Some((branch, serde_json::from_str(&head).ok()?)));
            let actions = self.plan().compare(project, &found, &known.collect());
            Ok::<_, Error>(actions.into_iter().map(Decision::from).collect())
        })
    }

    #[pyo3(name = "project")]
    fn project_row(&self, python: Python<'_>, name: &str) -> PyResult<Project> {
        boundary::call(python, || {
            let project = self.project(name)?;
            Ok::<_, Error>(Project::new(project, self.plan()))
        })
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
    fn notices(&self) -> Vec<String> {
        let notices = self.plan().notices.iter();
        notices
            .map(|notice| format!("{}: {}", notice.about, notice.text))
            .collect()
    }

    fn db_url(&self, python: Python<'_>) -> PyResult<String> {
        boundary::call(python, || {
            let url = self.loaded.database_url()?;
            Ok::<_, Error>(url.expose().clone())
        })
    }

    fn worker_password(&self, python: Python<'_>, worker: &str) -> PyResult<String> {
        boundary::call(python, || {
            let mut workers = self.plan().workers.iter();
            let password = workers
                .find(|row| row.name == worker)
                .and_then(|row| self.loaded.worker_password(&row.machine));
            password
                .map(|password| password.expose().clone())
                .ok_or_else(|| Error::Config(format!("there is no worker `{worker}`")))
        })
    }

    fn logins(&self, python: Python<'_>) -> PyResult<Option<Logins>> {
        boundary::call(python, || {
            let settings = LoginSettings::of(self.loaded.settings(), self.loaded.places())?;
            let logins = settings.map(login::Logins::new).transpose()?;
            Ok::<_, Error>(logins.map(Logins))
        })
    }

    fn proxy_password(&self, python: Python<'_>) -> PyResult<Option<String>> {
        boundary::call(python, || {
            let access = &self.loaded.settings().access;
            let file = access.proxy_password.as_ref();
            let file = file.filter(|_| access.providers.contains(&Provider::Proxy));
            let password = file
                .map(|file| file.read(self.loaded.places()))
                .transpose()?;
            Ok::<_, Error>(password.map(|password| password.expose().clone()))
        })
    }

    fn read_secret(
        &self,
        python: Python<'_>,
        name: &str,
        forges: &Forges,
    ) -> PyResult<Option<String>> {
        boundary::call(python, || {
            let mint = |repository: &forge::Repository| {
                let ask = async |forge: &dyn Forge| forge.git_credentials(repository).await;
                forges.0.ask(repository.forge, ask)
            };
            let secret = self.loaded.read_secret(name, mint)?;
            Ok::<_, Error>(secret.map(|secret| secret.expose().clone()))
        })
    }

    fn branch_decision(
        &self,
        python: Python<'_>,
        project: &str,
        branch: &str,
    ) -> PyResult<BranchDecision> {
        boundary::call(python, || {
            let policy = self.plan().branch_policy(self.project(project)?);
            Ok::<_, Error>(policy.decide(branch).into())
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn priority(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<Priority> {
        boundary::call(python, || {
            let priority = feed::Priority::of_run(self.plan(), self.project(project)?, &properties);
            Ok::<_, Error>(priority.into())
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn failure_memory(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        reason: &str,
    ) -> PyResult<FailureMemory> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let memory = self.plan().failure_memory(project, &properties, reason);
            Ok::<_, Error>(memory.into())
        })
    }

    #[getter]
    #[expect(clippy::unused_self, reason = "the same for every plan so far")]
    fn checkout_timeout(&self) -> u64 {
        agent::CHECKOUT_TIMEOUT
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn checkout_command(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        credentials: Option<&str>,
    ) -> PyResult<Vec<String>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let command = agent::checkout_command(project, &properties, credentials);
            Ok::<_, Error>(command)
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn eval_secrets(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<BTreeMap<&'static str, String>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let secrets = self.plan().trusted_secrets(project, &properties);
            let owned = secrets
                .into_iter()
                .map(|(file, name)| (file, name.to_owned()));
            Ok::<_, Error>(owned.collect())
        })
    }

    fn eval_command(
        &self,
        python: Python<'_>,
        project: &str,
        evaluation: &Evaluation,
    ) -> PyResult<Vec<String>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let command = agent::eval_command(self.plan(), project, &evaluation.0);
            Ok::<_, Error>(command)
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn keep_command(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        master: &str,
        build: u64,
    ) -> PyResult<Option<Vec<String>>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let command = agent::keep_command(self.plan(), project, &properties, master, build);
            Ok::<_, Error>(command)
        })
    }

    fn release_command(&self, master: &str, build: u64) -> Vec<String> {
        agent::release_command(self.plan(), master, build)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn build_command(
        &self,
        python: Python<'_>,
        project: &str,
        drv_path: &str,
        attr: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<Vec<String>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let drv: DrvPath = drv_path
                .parse()
                .map_err(|error| Error::Config(format!("{error}")))?;
            let command = agent::build_command(self.plan(), project, &drv, attr, &properties);
            Ok::<_, Error>(command)
        })
    }

    fn retry_pause(&self, attempts: u32) -> Option<u64> {
        self.plan().building.retries.pause(attempts)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn post_build_steps(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<Vec<PostBuildStep>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let steps = self.plan().post_build_steps(project, &properties);
            Ok::<_, Error>(rows(steps))
        })
    }

    #[getter]
    fn all_post_build_steps(&self) -> Vec<PostBuildStep> {
        rows(&self.plan().post_build.steps)
    }

    #[staticmethod]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map and a list of its own"
    )]
    fn post_build_command(
        attr: &str,
        outputs: BTreeMap<String, String>,
        command: Vec<String>,
    ) -> Vec<String> {
        agent::post_build_command(attr, &outputs, &command)
    }

    #[getter]
    fn build_max_silent_time(&self) -> u64 {
        self.plan().building.max_silent_time
    }

    #[getter]
    fn caches(&self) -> Vec<Cache> {
        rows(&self.plan().caches)
    }

    #[getter]
    fn uploaders(&self) -> Vec<Uploader> {
        rows(&self.plan().uploaders)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn uploads(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
    ) -> PyResult<bool> {
        boundary::call(python, || {
            let project = self.project(project)?;
            Ok::<_, Error>(!self.plan().caches_of(project, &properties).is_empty())
        })
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

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes maps of its own from dicts"
    )]
    fn write_outputs(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        build: u64,
        attr: &str,
        outputs: BTreeMap<String, String>,
    ) -> PyResult<()> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let Some(files) = self.plan().output_files(project, &properties, build) else {
                return Ok(());
            };
            let known = outputs.into_iter();
            let paths = known
                .filter_map(|(name, path)| Some((name, StorePath::try_from(path).ok()?)))
                .collect();
            files.write(attr, &paths)
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a map of its own from a dict"
    )]
    fn update_outputs(
        &self,
        python: Python<'_>,
        project: &str,
        properties: BTreeMap<String, String>,
        build: u64,
        run: &Run,
    ) -> PyResult<()> {
        boundary::call(python, || {
            let project = self.project(project)?;
            match self.plan().output_files(project, &properties, build) {
                // Others wait for the run: it is not held while files are written.
                Some(files) => files.update(&run.results()),
                None => Ok(()),
            }
        })
    }

    #[getter]
    fn has_outputs(&self) -> bool {
        self.plan().outputs_path.is_some()
    }

    fn forget_command(&self, master: &str, build: u64) -> Vec<String> {
        agent::forget_command(self.plan(), master, build)
    }

    fn existing(&self, known: Branches, gone: Branches) -> String {
        self.plan().existing_text(&plan::Heads { known, gone })
    }

    fn forget_outputs(
        &self,
        python: Python<'_>,
        known: Branches,
        gone: Branches,
    ) -> PyResult<usize> {
        let heads = plan::Heads { known, gone };
        boundary::call(python, || self.plan().forget_outputs(&heads))
    }

    fn build_properties(
        &self,
        python: Python<'_>,
        project: &str,
        attribute: &str,
        job: &Job,
    ) -> PyResult<BTreeMap<&'static str, String>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            Ok::<_, Error>(agent::build_properties(project, attribute, &job.job))
        })
    }

    fn unbuilt_properties(
        &self,
        python: Python<'_>,
        project: &str,
        attribute: &str,
        unbuilt: &Unbuilt,
    ) -> PyResult<BTreeMap<&'static str, String>> {
        boundary::call(python, || {
            let project = self.project(project)?;
            let unbuilt = &unbuilt.unbuilt;
            Ok::<_, Error>(agent::unbuilt_properties(project, attribute, unbuilt))
        })
    }
}
