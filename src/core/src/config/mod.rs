//! Stage: settings. In: a settings file, YAML or JSON. Out: [`Settings`], or *all* problems of the
//! file at once.
//!
//! Unknown, misspelt, retired and not yet supported keys are problems: nothing in a settings file
//! is ignored. Secrets stay file references here; see [`crate::secret`].

mod access;
mod branches;
mod caches;
mod filters;
mod forges;
mod git_url;
mod isolation;
mod json;
mod keys;
mod limits;
mod load;
mod node;
mod post_build;
mod problem;
mod pull_requests;
mod read;
mod read_forges;
mod read_pull_based;
mod retention;
mod retries;
mod settings;
mod statuses;
mod table;
mod unsupported;
mod value;
mod workers;

pub use access::{AccessSettings, OidcSettings};
pub use branches::{BranchGlob, BranchGlobError, BranchRule};
pub use caches::CacheSettings;
pub use filters::{NameGlob, RepositoryFilters};
pub use forges::{
    ForgeSettings, GiteaSettings, GithubCredential, GithubSettings, OauthSettings, WebhookSettings,
};
pub use git_url::{GitUrl, GitUrlError};
pub use isolation::{IsolationSettings, SandboxMode};
pub use keys::{Key, keys};
pub use limits::EvalLimits;
pub use load::{load_settings, load_workers};
pub use post_build::{PostBuild, PostBuildCommand, PostBuildStep, Words};
pub use problem::{Problem, Problems};
pub use pull_requests::{PullRequestSettings, TrustPolicy};
pub use read::parse_settings;
pub use retention::Retention;
pub use retries::Retries;
pub use settings::{
    DatabaseUrl, Endpoint, Engine, EvaluationSettings, PolledRepository, PullBased, Settings,
};
pub use statuses::StatusSettings;
pub use workers::{WorkerEntry, parse_workers};
