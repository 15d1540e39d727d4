use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{
    CheckRun, Discovery, Examination, ForgeError, ForgeKind, FullName, GitCredentials, HookChange,
    Permission, ProjectExamination, PullRequest, Repository, Status,
};

/// What every forge can do. Calls are bounded in time: none lasts more than a few minutes.
#[async_trait]
pub trait Forge: Send + Sync {
    /// Which forge.
    fn kind(&self) -> ForgeKind;

    /// The repositories to build. Fails only if nothing at all is known; what goes wrong in parts
    /// is in the result.
    async fn discover(&self) -> Result<Discovery, ForgeError>;

    /// `repository` as it is now; it is found by its number, so also under a new name.
    async fn repository(&self, repository: &Repository) -> Result<Repository, ForgeError>;

    /// Makes the webhook of `repository` what the settings say, in place if there is one.
    async fn ensure_hook(&self, repository: &Repository) -> Result<HookChange, ForgeError>;

    /// Removes our webhook of `repository`; that there is none is no error.
    async fn remove_hook(&self, repository: &Repository) -> Result<HookChange, ForgeError>;

    /// Tells how `sha` is.
    async fn post_status(
        &self,
        repository: &Repository,
        sha: &str,
        status: &Status,
    ) -> Result<(), ForgeError>;

    /// Makes a check run for `sha`; returns its number.
    async fn create_check_run(
        &self,
        repository: &Repository,
        sha: &str,
        run: &CheckRun,
    ) -> Result<u64, ForgeError>;

    /// Changes check run number `id`. Annotations are added to those it has.
    async fn update_check_run(
        &self,
        repository: &Repository,
        id: u64,
        run: &CheckRun,
    ) -> Result<(), ForgeError>;

    /// Pull request `number`.
    async fn pull_request(
        &self,
        repository: &Repository,
        number: u64,
    ) -> Result<PullRequest, ForgeError>;

    /// Pull requests that can be merged yet.
    async fn open_pull_requests(
        &self,
        repository: &Repository,
    ) -> Result<Vec<PullRequest>, ForgeError>;

    /// The commit that is the head of `branch`; none if there is no such branch.
    async fn branch_head(
        &self,
        repository: &Repository,
        branch: &str,
    ) -> Result<Option<String>, ForgeError>;

    /// The head of every branch.
    async fn branch_heads(
        &self,
        repository: &Repository,
    ) -> Result<BTreeMap<String, String>, ForgeError>;

    /// What `user` may do with `repository`.
    async fn permission(
        &self,
        repository: &Repository,
        user: &str,
    ) -> Result<Permission, ForgeError>;

    /// Whether `user` is a member of the organisation that owns `repository`.
    async fn is_member(&self, repository: &Repository, user: &str) -> Result<bool, ForgeError>;

    /// Whether `user` is in `team` of the organisation that owns `repository`.
    async fn is_in_team(
        &self,
        repository: &Repository,
        team: &str,
        user: &str,
    ) -> Result<bool, ForgeError>;

    /// What the user with the number `id` is called now; none if there is none any more. Asked by
    /// who may ask about `repository`.
    async fn login_of(
        &self,
        repository: &Repository,
        id: &str,
    ) -> Result<Option<String>, ForgeError>;

    /// Logins of the members of the organisation that owns `repository`.
    async fn members(&self, repository: &Repository) -> Result<Vec<String>, ForgeError>;

    /// What git needs to fetch `repository`, with no more rights than that where the forge can
    /// limit them; none if it needs nothing.
    async fn git_credentials(
        &self,
        repository: &Repository,
    ) -> Result<Option<GitCredentials>, ForgeError>;

    /// The same for repository `name`, a submodule of `repository` that has the same owner.
    async fn submodule_credentials(
        &self,
        repository: &Repository,
        name: &FullName,
    ) -> Result<Option<GitCredentials>, ForgeError>;

    /// Who we are and what we may not do; without projects.
    async fn examine(&self) -> Examination;

    /// Whether everything about `repository` is as it should be.
    async fn examine_project(&self, repository: &Repository) -> ProjectExamination;
}
