use std::collections::BTreeMap;

use serde::Serialize;

use crate::auth::{Policy, Provider};
use crate::config::{
    BranchRule, Engine, EvalLimits, GitUrl, IsolationSettings, PostBuild, PullRequestSettings,
    Retention, Retries, StatusSettings,
};
use crate::forge::{FullName, Repository};
use crate::nix::System;
use crate::secret::{SecretFile, SecretUrl};

use super::{CachePlan, ProjectId, ProjectName, UploaderPlan};

/// Everything the master sets up, as plain data in a fixed order. Python makes Buildbot objects
/// of its rows and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MasterPlan {
    /// Shown at the top of the web interface.
    pub title: String,
    /// Public URL of the web interface, with a slash at the end.
    pub url: String,
    /// Buildbot's database.
    pub database: Database,
    /// Twisted endpoint on which the web interface listens, e.g. `tcp:8010`.
    pub port: String,
    /// Twisted endpoint on which workers connect, e.g. `tcp:9989`.
    pub worker_port: String,
    /// Who may log in, and what they may do then.
    pub access: AccessPlan,
    /// Systems that are evaluated and built.
    pub systems: Vec<System>,
    /// How evaluations run.
    pub evaluation: EvaluationPlan,
    /// How builds of attributes run.
    pub building: BuildingPlan,
    /// What runs after builds.
    pub post_build: PostBuild,
    /// Where results are uploaded to.
    pub caches: Vec<CachePlan>,
    /// Who uploads them; none without caches.
    pub uploaders: Vec<UploaderPlan>,
    /// Folder of the files that say what each attribute was last built as.
    pub outputs_path: Option<std::path::PathBuf>,
    /// What forges are told.
    pub statuses: StatusSettings,
    /// Whether GitHub gets check runs instead of statuses.
    pub check_runs: bool,
    /// How long the database keeps what.
    pub retention: Retention,
    /// Whose results are kept from the garbage collector.
    pub gc_roots: GcRootsPlan,
    /// Rules for branches beside the default branch; [`MasterPlan::branch_policy`] applies them.
    pub branch_rules: Vec<BranchRule>,
    /// Which pull requests are built.
    pub pull_requests: PullRequestSettings,
    /// One row a project, by name.
    pub projects: Vec<ProjectPlan>,
    /// Every builder runs on all of these.
    pub workers: Vec<WorkerPlan>,
    /// Builders, by project.
    pub builders: Vec<BuilderPlan>,
    /// Schedulers, by project.
    pub schedulers: Vec<SchedulerPlan>,
    /// Pollers, by project.
    pub pollers: Vec<PollerPlan>,
    /// Where the secrets come from that rows name; [`super::LoadedPlan`] reads them.
    pub secrets: BTreeMap<String, SecretPlan>,
    /// Other services.
    pub services: Vec<ServicePlan>,
    /// What the admin should know: projects left out or renamed.
    pub notices: Vec<Notice>,
}

/// Where the URL of Buildbot's database comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Database {
    /// The URL itself; its password does not show.
    Url(SecretUrl),
    /// A file that holds the URL.
    UrlFile(SecretFile),
}

/// Who may log in, and what they may do then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessPlan {
    /// Who vouches for users.
    pub providers: Vec<Provider>,
    /// What users may do.
    pub policy: Policy,
    /// Seconds after which users have to log in again.
    pub session_lifetime: u32,
}

/// How evaluations run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvaluationPlan {
    /// Which evaluator.
    pub engine: Engine,
    /// Evaluations at the same time on one machine, of all projects.
    pub concurrent: u32,
    /// What evaluators may see and do.
    pub isolation: IsolationSettings,
    /// Whether errors come with a Nix trace.
    pub show_trace: bool,
}

/// How builds of attributes run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildingPlan {
    /// One build, seconds, whether it says something or not.
    pub timeout: u64,
    /// Seconds a build may be silent.
    pub max_silent_time: u64,
    /// MiB of a build's log that are kept, from its head and its end.
    pub log_limit_mib: u64,
    /// How it is tried again if its machine fails it.
    pub retries: Retries,
    /// Whether builds that failed are not tried again for a while.
    pub remember_failures: bool,
    /// Whether errors come with a Nix trace.
    pub show_trace: bool,
}

/// Whose results are kept from the garbage collector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcRootsPlan {
    /// Whether roots are registered at all.
    pub enabled: bool,
    /// The folder below `/nix/var/nix/gcroots/per-user`.
    pub user: String,
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectPlan {
    /// Its name in builders and in `change.project`.
    pub name: ProjectName,
    /// Its prefix in scheduler names and folders.
    pub id: ProjectId,
    /// Name of the Buildbot project object: `name`, shortened where Buildbot's database cannot
    /// hold it.
    pub buildbot_name: String,
    /// Where it is fetched from. Never holds a password.
    pub url: GitUrl,
    /// What changes of it call their repository.
    pub repository: String,
    /// Its repository on a forge; none if it is polled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forge: Option<Repository>,
    /// The branch whose results count.
    pub default_branch: String,
    /// First part of virtual builder names, e.g. `github` or `git+https`.
    pub ref_type: String,
    /// What git needs to fetch it.
    pub git_secrets: GitSecrets,
    /// Submodules of it that are fetched with credentials.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub private_submodules: Vec<PrivateSubmodule>,
    /// What evaluations of refs that are trusted need for private inputs.
    pub eval_secrets: EvalSecrets,
    /// Whether its submodules are checked out.
    pub submodules: bool,
    /// When its evaluations give up.
    pub limits: EvalLimits,
}

/// Names of the secrets in [`MasterPlan::secrets`] that Nix needs for private inputs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EvalSecrets {
    /// Text of a netrc file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netrc: Option<String>,
    /// Value of Nix's setting `access-tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_tokens: Option<String>,
}

/// Names of the secrets in [`MasterPlan::secrets`] that git needs for one repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct GitSecrets {
    /// Private key for ssh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_private_key: Option<String>,
    /// Text of a `known_hosts` file for ssh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_known_hosts: Option<String>,
    /// User for https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_user: Option<String>,
    /// Password for https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_password: Option<String>,
}

/// A repository that another one of the same owner may fetch with credentials, as its submodule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrivateSubmodule {
    /// Where it is fetched from.
    pub url: GitUrl,
    /// Name of a secret in [`MasterPlan::secrets`].
    pub user: String,
    /// The same.
    pub password: String,
}

/// Where one secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretPlan {
    /// What has it.
    #[serde(flatten)]
    pub source: SecretSource,
    /// Which part of that.
    pub part: SecretPart,
}

/// What has a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// A file.
    File(SecretFile),
    /// The forge of a repository, which makes it when it is needed.
    Minted(Box<Repository>),
    /// The same, for one of its submodules.
    MintedForSubmodule {
        /// What has the submodule.
        of: Box<Repository>,
        /// The submodule.
        name: FullName,
    },
}

/// Part of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPart {
    /// All of it.
    Whole,
    /// The user; in a file, what is before the first colon.
    User,
    /// The password; in a file, what is after the first colon.
    Password,
}

/// One worker process that may connect, or runs in the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerPlan {
    /// Its name for Buildbot, `<machine>-NNN` or `local-N`.
    pub name: String,
    /// Name of its entry in the workers file; `local` for workers in the master.
    pub machine: String,
    /// Whether it runs in the master's process.
    pub local: bool,
}

/// What a builder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuilderKind {
    /// Evaluates a revision.
    Eval,
    /// Builds one attribute.
    Build,
}

/// One builder. It uses every worker of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuilderPlan {
    /// `<project>/nix-eval` or `<project>/nix-build`.
    pub name: String,
    /// What it does.
    pub kind: BuilderKind,
    /// [`ProjectPlan::name`].
    pub project: ProjectName,
    /// Folder on master and workers; unique, because Buildbot refuses the whole configuration
    /// when the folders that it would derive from two names are the same.
    pub builddir: String,
    /// For the filter of the web interface.
    pub tags: Vec<String>,
    /// Shown in the web interface.
    pub description: String,
}

/// What starts a builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SchedulerKind {
    /// A change on the default branch or one that a rule matches.
    Branches,
    /// A change on a branch of a merge queue.
    MergeQueue,
    /// A pull request.
    PullRequests,
    /// A build of the project's other builder.
    Triggerable,
    /// A person.
    Force,
    /// A person, and then it starts nothing but cancels jobs that wait.
    Cancel,
}

impl SchedulerKind {
    /// What starts it, in words.
    pub fn started_by(self) -> &'static str {
        match self {
            Self::Branches => "changes",
            Self::MergeQueue => "merge queues",
            Self::PullRequests => "pull requests",
            Self::Triggerable => "evaluations",
            Self::Force => "people",
            Self::Cancel => "people, to cancel",
        }
    }
}

/// One scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchedulerPlan {
    /// `<project id>-primary` and so on.
    pub name: String,
    /// What starts it.
    pub kind: SchedulerKind,
    /// [`ProjectPlan::name`].
    pub project: ProjectName,
    /// [`BuilderPlan::name`].
    pub builder: String,
}

/// One repository that is polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PollerPlan {
    /// Name of the change source, unique.
    pub name: String,
    /// [`ProjectPlan::name`].
    pub project: ProjectName,
    /// Where.
    pub url: GitUrl,
    /// Folder of the poller's repository, below the master's.
    pub work_directory: String,
    /// Seconds between polls.
    pub poll_interval: u32,
    /// Seconds by which a poll may be late at random; less than the interval.
    pub poll_spread: u32,
    /// What git needs to fetch.
    pub git_secrets: GitSecrets,
    /// Whether heads seen for the first time are built, or only remembered.
    pub build_on_first_poll: bool,
}

/// Another service of the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ServicePlan {
    /// Cancels evaluations that a newer change of the same branch supersedes.
    BuildCanceller {
        /// Name of the service.
        name: String,
        /// What it watches.
        filters: Vec<CancelFilter>,
    },
}

/// Changes of `project` supersede older requests for `builder`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CancelFilter {
    /// [`BuilderPlan::name`].
    pub builder: String,
    /// [`ProjectPlan::name`].
    pub project: ProjectName,
}

/// Something that was decided for one project and that the admin should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Notice {
    /// The project or setting.
    pub about: String,
    /// What was done and why.
    pub text: String,
}
