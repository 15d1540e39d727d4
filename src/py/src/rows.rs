//! Rows of the master plan as frozen records.

use buildbot_nix_core::plan::{
    self, BranchDecision as CoreDecision, BuilderPlan, MasterPlan, PollerPlan, ProjectPlan,
    SchedulerPlan, WorkerPlan,
};
use pyo3::prelude::*;

use crate::forge_rows::ForgeRepository;

#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct Project {
    name: String,
    buildbot_name: String,
    id: String,
    url: String,
    default_branch: String,
    eval_timeout: u64,
    repository: Option<ForgeRepository>,
    change_repository: String,
    eval_builder: String,
    build_builder: String,
    cancel_scheduler: String,
}

impl Project {
    pub(crate) fn new(row: &ProjectPlan, plan: &MasterPlan) -> Self {
        let builder = |kind| {
            let mut builders = plan.builders.iter();
            builders
                .find(|builder| builder.project == row.name && builder.kind == kind)
                .map(|builder| builder.name.clone())
                .unwrap_or_default()
        };
        Self {
            name: row.name.to_string(),
            buildbot_name: row.buildbot_name.clone(),
            id: row.id.to_string(),
            url: row.url.as_str().to_owned(),
            default_branch: row.default_branch.clone(),
            eval_timeout: row.limits.timeout,
            repository: row.forge.clone().map(ForgeRepository),
            change_repository: row.repository.clone(),
            eval_builder: builder(plan::BuilderKind::Eval),
            build_builder: builder(plan::BuilderKind::Build),
            cancel_scheduler: row.cancel_scheduler(),
        }
    }
}

#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
#[derive(Clone)]
pub(crate) struct GitSecrets {
    ssh_private_key: Option<String>,
    ssh_known_hosts: Option<String>,
    https_user: Option<String>,
    https_password: Option<String>,
}

impl From<&plan::GitSecrets> for GitSecrets {
    fn from(row: &plan::GitSecrets) -> Self {
        Self {
            ssh_private_key: row.ssh_private_key.clone(),
            ssh_known_hosts: row.ssh_known_hosts.clone(),
            https_user: row.https_user.clone(),
            https_password: row.https_password.clone(),
        }
    }
}

#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct Worker {
    name: String,
    machine: String,
    local: bool,
}

impl From<&WorkerPlan> for Worker {
    fn from(row: &WorkerPlan) -> Self {
        Self {
            name: row.name.clone(),
            machine: row.machine.clone(),
            local: row.local,
        }
    }
}

#[pyclass(module = "buildbot_nix._native", frozen, eq, hash)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BuilderKind {
    Eval,
    Build,
}

#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct Builder {
    name: String,
    kind: BuilderKind,
    project: String,
    builddir: String,
    tags: Vec<String>,
    description: String,
}

impl From<&BuilderPlan> for Builder {
    fn from(row: &BuilderPlan) -> Self {
        Self {
            name: row.name.clone(),
            kind: match row.kind {
                plan::BuilderKind::Eval => BuilderKind::Eval,
                plan::BuilderKind::Build => BuilderKind::Build,
            },
            project: row.project.to_string(),
            builddir: row.builddir.clone(),
            tags: row.tags.clone(),
            description: row.description.clone(),
        }
    }
}

#[pyclass(module = "buildbot_nix._native", frozen, eq, hash)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SchedulerKind {
    Branches,
    MergeQueue,
    PullRequests,
    Triggerable,
    Force,
    Cancel,
}

#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct Scheduler {
    name: String,
    kind: SchedulerKind,
    project: String,
    builder: String,
}

impl From<&SchedulerPlan> for Scheduler {
    fn from(row: &SchedulerPlan) -> Self {
        Self {
            name: row.name.clone(),
            kind: match row.kind {
                plan::SchedulerKind::Branches => SchedulerKind::Branches,
                plan::SchedulerKind::MergeQueue => SchedulerKind::MergeQueue,
                plan::SchedulerKind::PullRequests => SchedulerKind::PullRequests,
                plan::SchedulerKind::Triggerable => SchedulerKind::Triggerable,
                plan::SchedulerKind::Force => SchedulerKind::Force,
                plan::SchedulerKind::Cancel => SchedulerKind::Cancel,
            },
            project: row.project.to_string(),
            builder: row.builder.clone(),
        }
    }
}

#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct Poller {
    name: String,
    project: String,
    url: String,
    work_directory: String,
    poll_interval: u32,
    poll_spread: u32,
    git_secrets: GitSecrets,
    build_on_first_poll: bool,
}

impl From<&PollerPlan> for Poller {
    fn from(row: &PollerPlan) -> Self {
        Self {
            name: row.name.clone(),
            project: row.project.to_string(),
            url: row.url.as_str().to_owned(),
            work_directory: row.work_directory.clone(),
            poll_interval: row.poll_interval,
            poll_spread: row.poll_spread,
            git_secrets: GitSecrets::from(&row.git_secrets),
            build_on_first_poll: row.build_on_first_poll,
        }
    }
}

#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct CancelFilter {
    builder: String,
    project: String,
}

impl From<&plan::CancelFilter> for CancelFilter {
    fn from(row: &plan::CancelFilter) -> Self {
        Self {
            builder: row.builder.clone(),
            project: row.project.to_string(),
        }
    }
}

#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct BranchDecision {
    build: bool,
    merge_queue: bool,
    register_gc_roots: bool,
}

impl From<CoreDecision> for BranchDecision {
    fn from(decision: CoreDecision) -> Self {
        Self {
            build: decision.build,
            merge_queue: decision.merge_queue,
            register_gc_roots: decision.register_gc_roots,
        }
    }
}
