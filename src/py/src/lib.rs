//! `buildbot_nix._native`: a table of contents of what Python may call.
//!
//! No logic here: every file extracts arguments, calls the core through [`boundary`] and wraps
//! what comes back. Nothing starts a thread or opens a socket at import, and later only `Forges`
//! does, when it is first asked something; what may block says so in `_native.pyi`, and Python
//! calls it in a pool thread.

mod auth;
mod boundary;
mod build;
mod checkout;
mod cli;
mod errors;
mod event;
mod feed;
mod forge;
mod forge_rows;
mod login;
mod outbox;
mod placement;
mod plan;
mod publish;
mod reader;
mod rows;
mod run;
mod status;

/// The extension module.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    /// Bytes of a webhook's body that are read.
    #[pymodule_export]
    const BODY_BYTES_MAX: usize = buildbot_nix_core::event::BODY_BYTES_MAX;

    #[pymodule_export]
    use crate::auth::{Action, Ruling, Standing, User};
    #[pymodule_export]
    use crate::build::{BuildResult, OutcomeReader};
    #[pymodule_export]
    use crate::checkout::CheckoutReader;
    #[pymodule_export]
    use crate::cli::run_command_line;
    #[pymodule_export]
    use crate::event::{Arrival, Change, Decision, Deed, Delivery};
    #[pymodule_export]
    use crate::feed::{Priority, Turns};
    #[pymodule_export]
    use crate::forge::Forges;
    #[pymodule_export]
    use crate::forge_rows::{
        CheckRun, Discovery, ForgeKind, ForgeRepository, GitCredentials, HookOutcome, Permission,
        PullRequest, StatusState,
    };
    #[pymodule_export]
    use crate::login::{LoggedIn, Logins};
    #[pymodule_export]
    use crate::outbox::{Fault, Outbox};
    #[pymodule_export]
    use crate::placement::{MachineLoad, choose_machine};
    #[pymodule_export]
    use crate::plan::{Evaluation, FailureMemory, Plan, load_plan};
    #[pymodule_export]
    use crate::publish::{Cache, PostBuildStep, UploadReader, Uploader, Words};
    #[pymodule_export]
    use crate::rows::{
        BranchDecision, Builder, BuilderKind, CancelFilter, GitSecrets, Poller, Project, Scheduler,
        SchedulerKind, Worker,
    };
    #[pymodule_export]
    use crate::run::{Finding, Job, Run, Unbuilt};
    #[pymodule_export]
    use crate::status::{CommitStatuses, Ended, StatusRow};
}
