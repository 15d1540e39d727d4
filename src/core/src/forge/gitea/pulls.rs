use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::forge::http::{Call, Page};
use crate::forge::{Fault, ForgeError, PullRequest, Repository};

use super::Gitea;
use super::wire::WirePull;

#[derive(Debug, Serialize, Deserialize)]
struct Branch {
    name: String,
    commit: Commit,
}

#[derive(Debug, Serialize, Deserialize)]
struct Commit {
    id: String,
}

impl Gitea {
    pub(super) async fn one_pull_request(
        &self,
        repository: &Repository,
        number: u64,
    ) -> Result<PullRequest, ForgeError> {
        let url = self.url(repository, &["pulls", &number.to_string()]);
        let call = Call::get(format!("read pull request {number} of `{repository}`"), url);
        let page: Page<WirePull> = self.api.page(&(), &call).await?;
        Ok(page.content.into())
    }

    pub(super) async fn list_pull_requests(
        &self,
        repository: &Repository,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let mut url = self.url(repository, &["pulls"]);
        url.set_query(Some("state=open&limit=50"));
        let call = Call::get(
            format!("list the open pull requests of `{repository}`"),
            url,
        );
        let pages: Vec<Page<Vec<WirePull>>> = self.api.list(&(), &call).await?;
        let pulls = pages.into_iter().flat_map(|page| page.content);
        Ok(pulls.map(PullRequest::from).collect())
    }

    pub(super) async fn head(
        &self,
        repository: &Repository,
        branch: &str,
    ) -> Result<Option<String>, ForgeError> {
        // The slashes of a branch are slashes of the path.
        let segments: Vec<&str> = std::iter::once("branches")
            .chain(branch.split('/'))
            .collect();
        let doing = format!("look up branch `{branch}` of `{repository}`");
        let call = Call::get(doing, self.url(repository, &segments));
        match self.api.page::<Branch>(&(), &call).await {
            Ok(page) => Ok(Some(page.content.commit.id)),
            Err(error) if error.fault == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn has_commit(
        &self,
        repository: &Repository,
        sha: &str,
    ) -> Result<bool, ForgeError> {
        let mut url = self.url(repository, &["git", "commits", sha]);
        url.set_query(Some("stat=false&verification=false&files=false"));
        let call = Call::get(format!("look up commit {sha} of `{repository}`"), url);
        match self.api.read::<IgnoredAny>(&(), &call).await {
            Ok(_) => Ok(true),
            Err(error) if error.fault == Fault::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn heads(
        &self,
        repository: &Repository,
    ) -> Result<BTreeMap<String, String>, ForgeError> {
        let mut url = self.url(repository, &["branches"]);
        url.set_query(Some("limit=50"));
        let call = Call::get(format!("list the branches of `{repository}`"), url);
        let pages: Vec<Page<Vec<Branch>>> = self.api.list(&(), &call).await?;
        let branches = pages.into_iter().flat_map(|page| page.content);
        Ok(branches
            .map(|branch| (branch.name, branch.commit.id))
            .collect())
    }
}

impl From<WirePull> for PullRequest {
    fn from(pull: WirePull) -> Self {
        Self {
            number: pull.number,
            title: pull.title,
            html_url: pull.html_url,
            is_open: pull.state == "open",
            is_draft: pull.draft,
            author: pull.user.map(|user| user.login).unwrap_or_default(),
            // Gitea has no such thing as an account of a program.
            author_is_bot: false,
            head_sha: pull.head.sha,
            head_branch: pull.head.name,
            head_repository: pull.head.repo.map(|repository| repository.full_name),
            base_branch: pull.base.name,
            base_sha: pull.base.sha,
        }
    }
}
