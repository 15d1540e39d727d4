//! What the APIs of GitHub and of Gitea have in common: Gitea took over GitHub's paths and fields.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use url::Url;

use super::http::{Api, Authority, Call, Page};
use super::{Fault, ForgeError, FullName, OwnerKind, Permission, PullRequest, Repository};

impl<Auth: Authority> Api<Auth> {
    /// The URL of something in `repository`.
    pub(super) fn url_in(&self, repository: &Repository, segments: &[&str]) -> Url {
        let name = &repository.full_name;
        let path = ["repos", name.owner(), name.name()];
        self.http.url(&[&path[..], segments].concat())
    }

    pub(super) async fn permission(
        &self,
        access: &Auth::Access,
        repository: &Repository,
        user: &str,
    ) -> Result<Permission, ForgeError> {
        #[derive(Deserialize)]
        struct Answer {
            permission: String,
        }
        let url = self.url_in(repository, &["collaborators", user, "permission"]);
        let call = Call::get(format!("ask what `{user}` may do in `{repository}`"), url);
        match self.read::<Answer>(access, &call).await {
            Ok(answer) => Ok(Permission::from_word(&answer.permission)),
            // There is no such user.
            Err(error) if error.fault == Fault::NotFound => Ok(Permission::Nothing),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn is_member(
        &self,
        access: &Auth::Access,
        repository: &Repository,
        user: &str,
    ) -> Result<bool, ForgeError> {
        let owner = repository.full_name.owner();
        if repository.owner_kind == OwnerKind::User {
            return Ok(owner.eq_ignore_ascii_case(user));
        }
        let url = self.http.url(&["orgs", owner, "members", user]);
        let call = Call::get(
            format!("ask whether `{user}` is a member of `{owner}`"),
            url,
        );
        match self.send(access, &call).await {
            Ok(reply) => Ok(reply.status == StatusCode::NO_CONTENT),
            Err(error) if error.fault == Fault::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn members(
        &self,
        access: &Auth::Access,
        repository: &Repository,
    ) -> Result<Vec<String>, ForgeError> {
        let owner = repository.full_name.owner();
        if repository.owner_kind == OwnerKind::User {
            return Ok(vec![owner.to_owned()]);
        }
        let url = self.http.url(&["orgs", owner, "members"]);
        let doing = format!("list the members of `{owner}`");
        let members: Vec<User> = self.whole_list(access, doing, url, None).await?;
        Ok(members.into_iter().map(|member| member.login).collect())
    }

    pub(super) async fn pull_request(
        &self,
        access: &Auth::Access,
        repository: &Repository,
        number: u64,
    ) -> Result<PullRequest, ForgeError> {
        let url = self.url_in(repository, &["pulls", &number.to_string()]);
        let call = Call::get(format!("read pull request {number} of `{repository}`"), url);
        let page: Page<WirePull> = self.page(access, &call).await?;
        Ok(page.content.into())
    }

    pub(super) async fn open_pull_requests(
        &self,
        access: &Auth::Access,
        repository: &Repository,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let url = self.url_in(repository, &["pulls"]);
        let doing = format!("list the open pull requests of `{repository}`");
        let open = Some("state=open");
        let pulls: Vec<WirePull> = self.whole_list(access, doing, url, open).await?;
        Ok(pulls.into_iter().map(PullRequest::from).collect())
    }

    pub(super) async fn branch_heads(
        &self,
        access: &Auth::Access,
        repository: &Repository,
    ) -> Result<BTreeMap<String, String>, ForgeError> {
        let url = self.url_in(repository, &["branches"]);
        let doing = format!("list the branches of `{repository}`");
        let branches: Vec<Branch> = self.whole_list(access, doing, url, None).await?;
        let branches = branches.into_iter();
        Ok(branches
            .map(|branch| (branch.name, branch.commit.sha))
            .collect())
    }

    async fn whole_list<T: Serialize + serde::de::DeserializeOwned>(
        &self,
        access: &Auth::Access,
        doing: String,
        mut url: Url,
        only: Option<&str>,
    ) -> Result<Vec<T>, ForgeError> {
        let query: Vec<&str> = only.into_iter().chain([self.page_size]).collect();
        url.set_query(Some(&query.join("&")));
        let pages: Vec<Page<Vec<T>>> = self.list(access, &Call::get(doing, url)).await?;
        Ok(pages.into_iter().flat_map(|page| page.content).collect())
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct User {
    #[serde(default)]
    pub(super) id: u64,
    #[serde(default)]
    pub(super) login: String,
    /// `Bot` for programs on GitHub; Gitea knows none.
    #[serde(rename = "type", default)]
    pub(super) kind: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Branch {
    name: String,
    pub(super) commit: Commit,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Commit {
    /// Gitea calls it `id`.
    #[serde(alias = "id")]
    pub(super) sha: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct WirePull {
    number: u64,
    #[serde(default)]
    title: String,
    #[serde(default)]
    html_url: String,
    state: String,
    #[serde(default)]
    draft: Option<bool>,
    #[serde(default)]
    user: Option<User>,
    head: PullEnd,
    base: PullEnd,
}

#[derive(Debug, Serialize, Deserialize)]
struct PullEnd {
    #[serde(rename = "ref", default)]
    name: String,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    repo: Option<PullRepository>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PullRepository {
    full_name: FullName,
}

impl From<WirePull> for PullRequest {
    fn from(pull: WirePull) -> Self {
        let (author, kind) = match pull.user {
            Some(user) => (user.login, user.kind),
            // What both show for accounts that are gone.
            None => ("ghost".to_owned(), String::new()),
        };
        Self {
            number: pull.number,
            title: pull.title,
            html_url: pull.html_url,
            is_open: pull.state == "open",
            is_draft: pull.draft.unwrap_or(false),
            author,
            author_is_bot: kind == "Bot",
            head_sha: pull.head.sha,
            head_branch: pull.head.name,
            head_repository: pull.head.repo.map(|repository| repository.full_name),
            base_branch: pull.base.name,
            base_sha: pull.base.sha,
        }
    }
}
