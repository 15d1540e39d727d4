use super::Notice;
use crate::config::{GitUrl, GitUrlError, PolledRepository, Settings};
use crate::forge::{ForgeKind, FullName, Repository};
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
    /// Its repository on a forge.
    pub forge: Option<Repository>,
    /// How its changes are found, unless a forge tells of them.
    pub polling: Option<Polling>,
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
    /// Those that are fetched with credentials.
    pub private_submodules: Vec<FullName>,
}

impl Project {
    /// First part of virtual builder names.
    pub(super) fn ref_type(&self) -> String {
        match &self.forge {
            Some(repository) => repository.forge.as_str().to_owned(),
            None => format!("git+{}", self.url.scheme()),
        }
    }

    /// What changes of it call their repository.
    pub(super) fn repository(&self) -> String {
        let repository = self.forge.as_ref();
        let called = repository.map(|repository| match repository.forge {
            ForgeKind::Github => &repository.html_url,
            ForgeKind::Gitea => &repository.ssh_url,
        });
        called.cloned().unwrap_or_else(|| self.url.to_string())
    }
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

/// The projects that `repositories` of forges are.
pub fn forge_projects(
    settings: &Settings,
    repositories: &[Repository],
) -> (Vec<Project>, Vec<Notice>) {
    let mut projects = Vec::new();
    let mut notices = Vec::new();
    for repository in repositories {
        match forge_project(settings, repository) {
            Ok(project) => projects.push(project),
            Err(error) => notices.push(Notice {
                about: repository.identity(),
                text: format!("left out: {error}"),
            }),
        }
    }
    (projects, notices)
}

fn forge_project(settings: &Settings, repository: &Repository) -> Result<Project, GitUrlError> {
    let gitea = settings.gitea.as_ref();
    let gitea = gitea.filter(|_| repository.forge == ForgeKind::Gitea);
    let ssh_private_key_file = gitea.and_then(|gitea| gitea.ssh_private_key_file.clone());
    let url = match ssh_private_key_file {
        Some(_) => &repository.ssh_url,
        None => &repository.clone_url,
    };
    Ok(Project {
        name: repository.full_name.to_string(),
        identity: repository.identity(),
        url: GitUrl::new(url)?,
        default_branch: repository.default_branch.clone(),
        forge: Some(repository.clone()),
        polling: None,
        ssh_private_key_file,
        ssh_known_hosts_file: gitea.and_then(|gitea| gitea.ssh_known_hosts_file.clone()),
        credentials_file: None,
        eval_netrc_file: None,
        eval_access_tokens_file: None,
        submodules: true,
        private_submodules: private_submodules(settings, repository),
    })
}

/// What the settings allow, of the owner of `repository`.
fn private_submodules(settings: &Settings, repository: &Repository) -> Vec<FullName> {
    let common = match repository.forge {
        ForgeKind::Github => settings.github.as_ref().map(|forge| &forge.common),
        ForgeKind::Gitea => settings.gitea.as_ref().map(|forge| &forge.common),
    };
    let allowed = common.into_iter().flat_map(|common| &common.submodules);
    let owner = repository.full_name.owner();
    allowed
        .filter(|name| name.owner().eq_ignore_ascii_case(owner))
        .cloned()
        .collect()
}

fn polled_project(key: &str, repository: &PolledRepository, spread: u32) -> Project {
    Project {
        name: repository.name.clone(),
        identity: format!("pull-based:{key}"),
        url: repository.url.clone(),
        default_branch: repository.default_branch.clone(),
        forge: None,
        polling: Some(Polling {
            interval: repository.poll_interval,
            spread,
            build_on_first_poll: repository.build_on_first_poll,
        }),
        ssh_private_key_file: repository.ssh_private_key_file.clone(),
        ssh_known_hosts_file: repository.ssh_known_hosts_file.clone(),
        credentials_file: repository.credentials_file.clone(),
        eval_netrc_file: repository.eval_netrc_file.clone(),
        eval_access_tokens_file: repository.eval_access_tokens_file.clone(),
        submodules: repository.submodules,
        private_submodules: Vec::new(),
    }
}
