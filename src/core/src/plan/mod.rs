//! Stage: plan. In: [`Settings`](crate::config::Settings), projects and workers. Out:
//! [`MasterPlan`], plain data that Python turns into Buildbot objects row by row.
//!
//! Pure and deterministic: equal input gives an equal plan. A project that cannot be set up is
//! left out with a [`Notice`] and never takes another one down.

mod names;
mod types;

pub use names::{ProjectId, ProjectName, ProjectNameError, virtual_builder_name};
pub use types::{
    BuilderKind, BuilderPlan, BuildingPlan, CancelFilter, Database, EvaluationPlan, GcRootsPlan,
    GitSecrets, LockPlan, MasterPlan, Notice, PollerPlan, ProjectPlan, SchedulerKind,
    SchedulerPlan, SecretPart, SecretPlan, ServicePlan, WorkerPlan,
};
