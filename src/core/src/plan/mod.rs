//! Stage: plan. In: [`Settings`](crate::config::Settings), projects and workers. Out:
//! [`MasterPlan`], plain data that Python turns into Buildbot objects row by row.
//!
//! Pure and deterministic: equal input gives an equal plan. A project that cannot be set up is
//! left out with a [`Notice`] and never takes another one down.

mod access;
mod compose;
mod failures;
mod identify;
mod load;
mod names;
mod policy;
mod project;
mod publish;
mod render;
mod trust;
mod types;

pub use compose::master_plan;
pub use failures::FailureMemory;
pub use identify::{Identified, identify};
pub use load::{LoadedPlan, SecretFiles};
pub use names::{ProjectId, ProjectName, ProjectNameError, virtual_builder_name};
pub use policy::{BranchDecision, BranchPolicy};
pub use project::{Polling, Project, forge_projects, polled_projects};
pub use publish::{CachePlan, Heads, UploaderPlan};
pub use render::{render, render_json};
pub use trust::PullRequest;
pub(crate) use trust::{FROM_FORK, NO, ON_BRANCH, YES, given};
pub use types::{
    AccessPlan, BuilderKind, BuilderPlan, BuildingPlan, CancelFilter, Database, EvalSecrets,
    EvaluationPlan, GcRootsPlan, GitSecrets, MasterPlan, Notice, PollerPlan, PrivateSubmodule,
    ProjectPlan, SchedulerKind, SchedulerPlan, SecretPart, SecretPlan, SecretSource, ServicePlan,
    WorkerPlan,
};
