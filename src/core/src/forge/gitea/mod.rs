//! Gitea and Forgejo, by the API that they share: `/api/swagger` of every instance.

mod branches;
mod discover;
mod examine;
mod hooks;
mod people;
mod token;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::config::{GiteaSettings, RepositoryFilters};
use crate::secret::{SecretFile, SecretPlaces};

use super::clock::Clock;
use super::http::{Api, Call, Connection, Http, Memory, Pace};
use super::{
    CheckRun, Discovery, Examination, Fault, Forge, ForgeError, ForgeKind, FullName,
    GitCredentials, HookChange, HookSecrets, Permission, ProjectExamination, PullRequest,
    Repository, Status, StatusState,
};
use token::FixedToken;

/// The adapter for Gitea and Forgejo.
pub(super) struct Gitea {
    api: Api<FixedToken>,
    filters: RepositoryFilters,
    /// What hooks deliver to.
    hook_url: String,
    places: SecretPlaces,
    settings: GiteaSettings,
    /// Whether the instance shows nothing to strangers.
    is_closed: OnceCell<bool>,
}

impl Gitea {
    /// Opens no connection and reads no secret yet.
    pub(super) fn new(
        settings: &GiteaSettings,
        places: &SecretPlaces,
        webhook_base_url: &str,
        memory: Arc<Memory>,
        pace: Pace,
    ) -> Result<Self, ForgeError> {
        let base = settings.url.join("api/v1/").map_err(|error| {
            let doing = format!("find the API of `{}`", settings.url);
            ForgeError::new(Fault::Refused, doing, error.to_string())
        })?;
        let connection = Connection {
            base,
            ca_file: settings.common.ca_file.clone(),
            proxy: settings.common.proxy.clone(),
            headers: Vec::new(),
            pace,
        };
        let http = Arc::new(Http::new(connection, Clock::default(), memory)?);
        let authority = FixedToken::new(settings.token_file.clone(), places.clone());
        Ok(Self {
            api: Api {
                http,
                authority,
                page_size: "limit=50",
            },
            filters: settings.common.filters.clone(),
            hook_url: format!("{webhook_base_url}change_hook/gitea"),
            places: places.clone(),
            settings: settings.clone(),
            is_closed: OnceCell::new(),
        })
    }

    fn secrets(&self) -> Result<HookSecrets, ForgeError> {
        HookSecrets::load(&self.settings.common.webhook, &self.places)
            .map_err(|error| ForgeError::new(Fault::Auth, "set up webhooks", error.to_string()))
    }

    /// What git needs for what `url` is of.
    fn credentials(&self, file: &SecretFile, url: String) -> Result<GitCredentials, ForgeError> {
        let token = file.read(&self.places).map_err(|error| {
            let doing = format!("get credentials to fetch `{url}`");
            ForgeError::new(Fault::Auth, doing, error.to_string())
        })?;
        Ok(GitCredentials {
            url,
            user: "git".to_owned(),
            password: token,
            expires_at: None,
            is_limited: false,
        })
    }

    /// Whether strangers cannot even read what is public (`REQUIRE_SIGNIN_VIEW`).
    async fn is_closed(&self) -> Result<bool, ForgeError> {
        let ask = || async {
            let call = Call::get(
                "ask whether the instance shows anything to strangers",
                self.api.http.url(&["version"]),
            );
            match self.api.http.send(&call, &token::stranger(), None).await {
                Ok(_) => Ok(false),
                Err(error) if error.fault == Fault::Auth => Ok(true),
                Err(error) => Err(error),
            }
        };
        self.is_closed.get_or_try_init(ask).await.copied()
    }
}

#[async_trait]
impl Forge for Gitea {
    fn kind(&self) -> ForgeKind {
        ForgeKind::Gitea
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
            StatusState::Success => "success",
            StatusState::Warning => "warning",
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
            "description": super::status::cut(&status.description, super::DESCRIPTION_LENGTH_MAX),
            "target_url": status.target_url,
        });
        let call = Call::replace(doing, self.api.url_in(repository, &["statuses", sha]), body);
        // Something in between may say yes to everything; the forge says what it has.
        match self.api.read::<IgnoredAny>(&(), &call).await {
            // Gitea fails if it has no such commit, instead of saying so.
            Err(error) if error.status == Some(500) => {
                Err(match self.has_commit(repository, sha).await {
                    Ok(false) => ForgeError {
                        fault: Fault::NotFound,
                        ..error
                    },
                    Ok(true) | Err(_) => error,
                })
            }
            posted => posted.map(drop),
        }
    }

    async fn create_check_run(
        &self,
        repository: &Repository,
        sha: &str,
        run: &CheckRun,
    ) -> Result<u64, ForgeError> {
        let doing = format!(
            "create the check run `{}` on {sha} of `{repository}`",
            run.name
        );
        Err(no_check_runs(doing))
    }

    async fn update_check_run(
        &self,
        repository: &Repository,
        id: u64,
        _: &CheckRun,
    ) -> Result<(), ForgeError> {
        Err(no_check_runs(format!(
            "update check run {id} of `{repository}`"
        )))
    }

    async fn pull_request(
        &self,
        repository: &Repository,
        number: u64,
    ) -> Result<PullRequest, ForgeError> {
        self.api.pull_request(&(), repository, number).await
    }

    async fn open_pull_requests(
        &self,
        repository: &Repository,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        self.api.open_pull_requests(&(), repository).await
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
        self.api.branch_heads(&(), repository).await
    }

    async fn permission(
        &self,
        repository: &Repository,
        user: &str,
    ) -> Result<Permission, ForgeError> {
        self.api.permission(&(), repository, user).await
    }

    async fn is_member(&self, repository: &Repository, user: &str) -> Result<bool, ForgeError> {
        self.api.is_member(&(), repository, user).await
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
        self.api.members(&(), repository).await
    }

    async fn git_credentials(
        &self,
        repository: &Repository,
    ) -> Result<Option<GitCredentials>, ForgeError> {
        let file = match &self.settings.git_token_file {
            Some(file) => file,
            // This token can do more than read, so it goes only where there is no other way.
            None if repository.private || self.is_closed().await? => &self.settings.token_file,
            None => return Ok(None),
        };
        let url = repository.clone_url.clone();
        Ok(Some(self.credentials(file, url)?))
    }

    async fn submodule_credentials(
        &self,
        repository: &Repository,
        name: &FullName,
    ) -> Result<Option<GitCredentials>, ForgeError> {
        let file = self.settings.git_token_file.as_ref();
        let file = file.unwrap_or(&self.settings.token_file);
        let url = repository.clone_url_of(name);
        Ok(Some(self.credentials(file, url)?))
    }

    async fn examine(&self) -> Examination {
        self.examine_access().await
    }

    async fn examine_project(&self, repository: &Repository) -> ProjectExamination {
        self.examine_repository(repository).await
    }
}

fn no_check_runs(doing: String) -> ForgeError {
    ForgeError::new(
        Fault::Refused,
        doing,
        "Gitea and Forgejo have no check runs",
    )
}
