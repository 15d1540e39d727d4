use crate::config::{GitUrl, PolledRepository, Settings};
use crate::secret::SecretFile;

/// One repository as its source describes it, before it has a place in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// What its source calls it. Two sources may use one name.
    pub name: String,
    /// What tells it from every other project, e.g. `pull-based:site`.
    pub identity: String,
    /// Where it is fetched from.
    pub url: GitUrl,
    /// The branch whose results count.
    pub default_branch: String,
    /// How its changes are found.
    pub polling: Polling,
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
    /// Whether its submodules are checked out.
    pub submodules: bool,
}

/// How the changes of a repository are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    /// Seconds between polls.
    pub interval: u32,
    /// Seconds by which a poll may be late at random.
    pub spread: u32,
    /// Whether heads seen for the first time are built.
    pub build_on_first_poll: bool,
}

/// The projects that `settings` name themselves.
pub fn polled_projects(settings: &Settings) -> Vec<Project> {
    let spread = settings.pull_based.poll_spread;
    let repositories = settings.pull_based.repositories.iter();
    repositories
        .map(|(key, repository)| polled_project(key, repository, spread))
        .collect()
}

fn polled_project(key: &str, repository: &PolledRepository, spread: u32) -> Project {
    Project {
        name: repository.name.clone(),
        identity: format!("pull-based:{key}"),
        url: repository.url.clone(),
        default_branch: repository.default_branch.clone(),
        polling: Polling {
            interval: repository.poll_interval,
            spread,
            build_on_first_poll: repository.build_on_first_poll,
        },
        ssh_private_key_file: repository.ssh_private_key_file.clone(),
        ssh_known_hosts_file: repository.ssh_known_hosts_file.clone(),
        credentials_file: repository.credentials_file.clone(),
        eval_netrc_file: repository.eval_netrc_file.clone(),
        eval_access_tokens_file: repository.eval_access_tokens_file.clone(),
        submodules: repository.submodules,
    }
}
