//! Stage: forge. What is asked of GitHub and of Gitea or Forgejo, and told to them.
//!
//! In: the settings of a forge. Out: an adapter behind the one trait [`Forge`], which finds
//! repositories, keeps their webhooks right, posts statuses and answers questions about pull
//! requests and people. It decides nothing about builds and keeps nothing between starts but
//! [`Forges::memory`], which only saves requests.

mod adapter;
mod clock;
mod common;
mod credentials;
mod discovery;
mod error;
mod examine;
mod forges;
mod gitea;
mod github;
mod hook;
mod http;
mod pull_request;
mod repository;
mod select;
mod standing;
mod status;
#[cfg(test)]
mod tests;

pub use adapter::Forge;
pub use credentials::GitCredentials;
pub use discovery::{Discovery, LeftOut, Part};
pub use error::{Fault, ForgeError};
pub use examine::{Delivery, Examination, Finding, ProjectExamination, ReportedStatus, Severity};
pub use forges::{Forges, HookOutcome};
pub use hook::{HookChange, HookSecrets};
pub use pull_request::{Permission, PullRequest};
pub use repository::{ForgeKind, FullName, FullNameError, OwnerKind, Repository};
pub use standing::Standing;
pub use status::{
    Annotation, AnnotationLevel, CheckAction, CheckOutput, CheckPhase, CheckRun, Conclusion,
    DESCRIPTION_LENGTH_MAX, Status, StatusState,
};
