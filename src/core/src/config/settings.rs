use std::collections::BTreeMap;

use serde::Serialize;

use crate::nix::System;
use crate::secret::{SecretFile, SecretUrl};

use super::{
    AccessSettings, BranchRule, CacheSettings, EvalLimits, GitUrl, GiteaSettings, GithubSettings,
    IsolationSettings, PostBuild, PullRequestSettings, Retention, Retries, StatusSettings,
};

/// All settings of a master, checked. `docs/configuration.md` explains each key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key that people set"
)]
pub struct Settings {
    /// Public URL of the web interface, with a slash at the end.
    pub url: String,
    /// Where forges deliver events, with a slash at the end; `change_hook/<forge>` follows.
    pub webhook_base_url: String,
    /// Shown at the top of the web interface.
    pub title: String,
    /// Buildbot's database.
    pub database: DatabaseUrl,
    /// Systems that are evaluated and built; never empty.
    pub build_systems: Vec<System>,
    /// Twisted endpoint of the web interface.
    pub port: Endpoint,
    /// Twisted endpoint for workers.
    pub worker_port: Endpoint,
    /// JSON list of the workers that may connect.
    pub nix_workers_secret_file: Option<SecretFile>,
    /// Workers inside the master's process.
    pub local_workers: u32,
    /// Whose folder below `/nix/var/nix/gcroots/per-user` holds the roots.
    pub gcroots_user: String,
    /// Whether gc roots are registered at all.
    pub gcroots: bool,
    /// How evaluations run.
    pub evaluation: EvaluationSettings,
    /// Whether errors come with a Nix trace.
    pub show_trace_on_failure: bool,
    /// One build, seconds, whether it says something or not.
    pub build_timeout: u64,
    /// Seconds a build may be silent.
    pub build_max_silent_time: u64,
    /// MiB of a build's log that are kept, from its head and its end.
    pub build_log_limit: u64,
    /// How builds are tried again that failed by the fault of their machine.
    pub retries: Retries,
    /// What runs after builds.
    pub post_build: PostBuild,
    /// Where results are uploaded to.
    pub caches: Vec<CacheSettings>,
    /// Folder of the files that say what each attribute was last built as.
    pub outputs_path: Option<std::path::PathBuf>,
    /// Whether builds that failed are not tried again for a while.
    pub cache_failed_builds: bool,
    /// What forges are told.
    pub statuses: StatusSettings,
    /// How long the database keeps what.
    pub retention: Retention,
    /// Whether everyone may start, stop and rebuild.
    pub allow_unauthenticated_control: bool,
    /// Who may log in, and what they may do then.
    pub access: AccessSettings,
    /// Rules for branches beside the default branch, by name.
    pub branches: Vec<BranchRule>,
    /// GitHub, if there is one.
    pub github: Option<GithubSettings>,
    /// Gitea or Forgejo, if there is one.
    pub gitea: Option<GiteaSettings>,
    /// Which pull requests are built.
    pub pull_requests: PullRequestSettings,
    /// Repositories that are polled.
    pub pull_based: PullBased,
}

/// How evaluations run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationSettings {
    /// Which evaluator.
    pub engine: Engine,
    /// What evaluators may see and do.
    pub isolation: IsolationSettings,
    /// When they give up.
    pub limits: EvalLimits,
    /// The same for single projects, by name.
    pub project_limits: BTreeMap<String, EvalLimits>,
    /// Evaluations at the same time on one machine, of all projects.
    pub concurrent: u32,
}

/// Which evaluator an evaluation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// nix-eval-jobs where it is installed, else stock Nix.
    #[default]
    Auto,
    /// Stock Nix.
    Nix,
    /// nix-eval-jobs.
    NixEvalJobs,
}

impl Engine {
    /// The word in settings and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Nix => "nix",
            Self::NixEvalJobs => "nix-eval-jobs",
        }
    }
}

/// Where the URL of Buildbot's database comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The setting `db_url`.
    Inline(SecretUrl),
    /// The file that `db_url_file` names.
    File(SecretFile),
}

/// A Twisted server endpoint, e.g. `tcp:8010` or `ssl:9989:privateKey=…:certKey=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Endpoint(String);

impl Endpoint {
    /// TCP port `port` on all addresses.
    pub fn tcp(port: u16) -> Self {
        Self(format!("tcp:{port}"))
    }

    /// `text`, if it has the form `<kind>:<arguments>`. Twisted knows the rest: its plugins add
    /// kinds.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(port) = text.parse::<u16>() {
            return Some(Self::tcp(port));
        }
        let (kind, arguments) = text.split_once(':')?;
        let well_formed = kind.starts_with(|first: char| first.is_ascii_alphabetic())
            && kind
                .chars()
                .all(|character| character.is_ascii_alphanumeric())
            && !arguments.is_empty()
            && !text.chars().any(char::is_control);
        well_formed.then(|| Self(text.to_owned()))
    }

    /// As Twisted reads it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Repositories that are polled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullBased {
    /// Seconds by which a poll may be late at random.
    pub poll_spread: u32,
    /// By key in the settings. Values that they leave out are filled in.
    pub repositories: BTreeMap<String, PolledRepository>,
}

/// One repository that is polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolledRepository {
    /// The project's name.
    pub name: String,
    /// Where it is fetched from.
    pub url: GitUrl,
    /// The branch whose results count.
    pub default_branch: String,
    /// Seconds between polls.
    pub poll_interval: u32,
    /// Private key for ssh.
    pub ssh_private_key_file: Option<SecretFile>,
    /// `known_hosts` file for ssh.
    pub ssh_known_hosts_file: Option<SecretFile>,
    /// File with `user:password` for https.
    pub credentials_file: Option<SecretFile>,
    /// netrc file for private inputs of its flake.
    pub eval_netrc_file: Option<SecretFile>,
    /// File with Nix's `access-tokens` for private inputs of its flake.
    pub eval_access_tokens_file: Option<SecretFile>,
    /// Whether heads seen for the first time are built, or only remembered.
    pub build_on_first_poll: bool,
    /// Whether its submodules are checked out.
    pub submodules: bool,
}
