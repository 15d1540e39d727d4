//! GitHub, by its REST API: <https://docs.github.com/en/rest>.

mod access;
mod branches;
mod checks;
mod discover;
mod examine;
mod hooks;
mod jwt;
mod people;
mod tokens;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::config::{GithubCredential, GithubSettings, RepositoryFilters};
use crate::secret::SecretPlaces;

use super::clock::Clock;
use super::http::{Api, Call, Connection, Http, Memory, Pace};
use super::status::cut;
use super::{
    CheckRun, DESCRIPTION_LENGTH_MAX, Discovery, Examination, Fault, Forge, ForgeError, ForgeKind,
    FullName, GitCredentials, HookChange, HookSecrets, Permission, ProjectExamination, PullRequest,
    Repository, Status, StatusState,
};
use access::{Access, Needs};
use tokens::Tokens;

/// The adapter for GitHub.
pub(super) struct Github {
    api: Api<Tokens>,
    filters: RepositoryFilters,
    hooks: HookSource,
    places: SecretPlaces,
    settings: GithubSettings,
}

/// Where deliveries come from.
struct HookSource {
    /// What hooks deliver to.
    url: String,
    /// When the App's own was as it should be, and how: every repository asks for it.
    of_app: tokio::sync::Mutex<Option<(Instant, String)>>,
}

impl Github {
    /// Opens no connection and reads no secret yet.
    pub(super) fn new(
        settings: &GithubSettings,
        places: &SecretPlaces,
        webhook_base_url: &str,
        memory: Arc<Memory>,
        pace: Pace,
        clock: Clock,
    ) -> Result<Self, ForgeError> {
        let connection = Connection {
            base: settings.api_url.clone(),
            ca_file: settings.common.ca_file.clone(),
            proxy: settings.common.proxy.clone(),
            headers: vec![
                ("accept", "application/vnd.github+json"),
                ("x-github-api-version", "2022-11-28"),
            ],
            pace,
        };
        let http = Arc::new(Http::new(connection, clock, memory)?);
        let authority = Tokens::new(
            Arc::clone(&http),
            settings.credential.clone(),
            places.clone(),
        );
        Ok(Self {
            api: Api {
                http,
                authority,
                page_size: "per_page=100",
            },
            filters: settings.common.filters.clone(),
            hooks: HookSource {
                url: format!("{webhook_base_url}change_hook/github"),
                of_app: tokio::sync::Mutex::default(),
            },
            places: places.clone(),
            settings: settings.clone(),
        })
    }

    fn is_app(&self) -> bool {
        matches!(self.settings.credential, GithubCredential::App { .. })
    }

    /// What git needs for what `access` is to and `url` is of.
    async fn credentials(
        &self,
        access: &Access,
        url: String,
    ) -> Result<GitCredentials, ForgeError> {
        let minted = self.api.authority.for_git(access).await?;
        Ok(GitCredentials {
            url,
            // What GitHub takes for both kinds of tokens.
            user: "x-access-token".to_owned(),
            password: minted.token,
            expires_at: minted.expires_at.map(Timestamp::as_second),
            is_limited: self.is_app(),
        })
    }

    fn secrets(&self) -> Result<HookSecrets, ForgeError> {
        HookSecrets::load(&self.settings.common.webhook, &self.places)
            .map_err(|error| ForgeError::new(Fault::Auth, "set up webhooks", error.to_string()))
    }
}

#[async_trait]
impl Forge for Github {
    fn kind(&self) -> ForgeKind {
        ForgeKind::Github
    }

    async fn discover(&self) -> Result<Discovery, ForgeError> {
        self.find_repositories().await
    }

    async fn repository(&self, repository: &Repository) -> Result<Repository, ForgeError> {
        self.find_again(repository).await
    }

    async fn ensure_hook(&self, repository: &Repository) -> Result<HookChange, ForgeError> {
        self.set_hook(repository).await
    }

    async fn remove_hook(&self, repository: &Repository) -> Result<HookChange, ForgeError> {
        self.delete_hook(repository).await
    }

    async fn post_status(
        &self,
        repository: &Repository,
        sha: &str,
        status: &Status,
    ) -> Result<(), ForgeError> {
        let state = match status.state {
            StatusState::Pending => "pending",
            StatusState::Success | StatusState::Warning => "success",
            StatusState::Failure => "failure",
            StatusState::Error => "error",
        };
        let doing = format!(
            "post the status `{}` on {sha} of `{repository}`",
            status.context
        );
        let body = json!({
            "state": state,
            "context": status.context,
            "description": cut(&status.description, DESCRIPTION_LENGTH_MAX),
            "target_url": status.target_url,
        });
        let call = Call::replace(doing, self.api.url_in(repository, &["statuses", sha]), body);
        let access = Access::repository(repository, Needs::STATUSES);
        // Something in between may say yes to everything; the forge says what it has.
        self.api.read::<IgnoredAny>(&access, &call).await.map(drop)
    }

    async fn create_check_run(
        &self,
        repository: &Repository,
        sha: &str,
        run: &CheckRun,
    ) -> Result<u64, ForgeError> {
        self.make_check_run(repository, sha, run).await
    }

    async fn update_check_run(
        &self,
        repository: &Repository,
        id: u64,
        run: &CheckRun,
    ) -> Result<(), ForgeError> {
        self.change_check_run(repository, id, run).await
    }

    async fn pull_request(
        &self,
        repository: &Repository,
        number: u64,
    ) -> Result<PullRequest, ForgeError> {
        let access = Access::repository(repository, Needs::PULL_REQUESTS);
        self.api.pull_request(&access, repository, number).await
    }

    async fn open_pull_requests(
        &self,
        repository: &Repository,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let access = Access::owner(repository, Needs::PULL_REQUESTS);
        self.api.open_pull_requests(&access, repository).await
    }

    async fn branch_head(
        &self,
        repository: &Repository,
        branch: &str,
    ) -> Result<Option<String>, ForgeError> {
        self.head(repository, branch).await
    }

    async fn branch_heads(
        &self,
        repository: &Repository,
    ) -> Result<BTreeMap<String, String>, ForgeError> {
        let access = Access::owner(repository, Needs::CONTENTS);
        self.api.branch_heads(&access, repository).await
    }

    async fn permission(
        &self,
        repository: &Repository,
        user: &str,
    ) -> Result<Permission, ForgeError> {
        let access = Access::repository(repository, Needs::METADATA);
        self.api.permission(&access, repository, user).await
    }

    async fn is_member(&self, repository: &Repository, user: &str) -> Result<bool, ForgeError> {
        let access = Access::owner(repository, Needs::MEMBERS);
        self.api.is_member(&access, repository, user).await
    }

    async fn is_in_team(
        &self,
        repository: &Repository,
        team: &str,
        user: &str,
    ) -> Result<bool, ForgeError> {
        self.has_in_team(repository, team, user).await
    }

    async fn login_of(
        &self,
        repository: &Repository,
        id: &str,
    ) -> Result<Option<String>, ForgeError> {
        self.find_login(repository, id).await
    }

    async fn members(&self, repository: &Repository) -> Result<Vec<String>, ForgeError> {
        let access = Access::owner(repository, Needs::MEMBERS);
        self.api.members(&access, repository).await
    }

    async fn git_credentials(
        &self,
        repository: &Repository,
    ) -> Result<Option<GitCredentials>, ForgeError> {
        let access = Access::repository(repository, Needs::CONTENTS);
        let url = repository.clone_url.clone();
        Ok(Some(self.credentials(&access, url).await?))
    }

    async fn submodule_credentials(
        &self,
        repository: &Repository,
        name: &FullName,
    ) -> Result<Option<GitCredentials>, ForgeError> {
        let access = Access::Named {
            name: name.clone(),
            installation: repository.installation,
            needs: Needs::CONTENTS,
        };
        let url = repository.clone_url_of(name);
        Ok(Some(self.credentials(&access, url).await?))
    }

    async fn examine(&self) -> Examination {
        self.examine_access().await
    }

    async fn examine_project(&self, repository: &Repository) -> ProjectExamination {
        self.examine_repository(repository).await
    }
}
