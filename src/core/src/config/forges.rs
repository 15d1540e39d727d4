use std::path::PathBuf;

use url::Url;

use crate::forge::FullName;
use crate::secret::SecretFile;

use super::RepositoryFilters;

/// One GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubSettings {
    /// Where people see it, with a slash at the end.
    pub url: Url,
    /// Where programs talk to it, with a slash at the end.
    pub api_url: Url,
    /// Who we are there.
    pub credential: GithubCredential,
    /// Whether deliveries come from the App's own webhook instead of one of each repository.
    pub app_webhook: bool,
    /// Whether commits get check runs instead of statuses.
    pub check_runs: bool,
    /// What all forges have.
    pub common: ForgeSettings,
}

/// Who we are on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GithubCredential {
    /// A GitHub App.
    App {
        /// Its number, the "App ID".
        id: u64,
        /// Its private key, PEM.
        secret_key_file: SecretFile,
    },
    /// A person's token.
    Token(SecretFile),
}

/// One Gitea or Forgejo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiteaSettings {
    /// Where it is, with a slash at the end.
    pub url: Url,
    /// Token of the user that administers the repositories.
    pub token_file: SecretFile,
    /// Token for fetching alone.
    pub git_token_file: Option<SecretFile>,
    /// Private key for fetching over ssh.
    pub ssh_private_key_file: Option<SecretFile>,
    /// `known_hosts` file for that.
    pub ssh_known_hosts_file: Option<SecretFile>,
    /// What all forges have.
    pub common: ForgeSettings,
}

/// What all forges have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgeSettings {
    /// What deliveries of events are signed with.
    pub webhook: WebhookSettings,
    /// Which repositories are built.
    pub filters: RepositoryFilters,
    /// What repositories of the same owner may fetch as submodules with our credentials.
    pub submodules: Vec<FullName>,
    /// Certificates that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// What requests go through, instead of what the environment says.
    pub proxy: Option<Url>,
    /// With what users log in, if they do.
    pub oauth: Option<OauthSettings>,
}

/// The OAuth app with which users log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthSettings {
    /// Its "Client ID".
    pub id: String,
    /// File with its secret.
    pub secret_file: SecretFile,
}

/// What deliveries of events are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// The secret.
    pub secret_file: SecretFile,
    /// The one before, with which deliveries may still be signed.
    pub previous_secret_file: Option<SecretFile>,
    /// Whether each repository has one of its own, made from it.
    pub per_repository: bool,
}
