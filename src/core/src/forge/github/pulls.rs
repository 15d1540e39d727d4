use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::forge::http::{Call, Page};
use crate::forge::{Fault, ForgeError, PullRequest, Repository};

use super::Github;
use super::access::{Access, Needs};
use super::wire::WirePull;

#[derive(Debug, Serialize, Deserialize)]
struct Reference {
    object: Object,
}

#[derive(Debug, Serialize, Deserialize)]
struct Branch {
    name: String,
    commit: Object,
}

#[derive(Debug, Serialize, Deserialize)]
struct Object {
    sha: String,
}

impl Github {
    pub(super) async fn one_pull_request(
        &self,
        repository: &Repository,
        number: u64,
    ) -> Result<PullRequest, ForgeError> {
        let url = self.url(repository, &["pulls", &number.to_string()]);
        let call = Call::get(format!("read pull request {number} of `{repository}`"), url);
        let access = Access::repository(repository, Needs::PULL_REQUESTS);
        let page: Page<WirePull> = self.api.page(&access, &call).await?;
        Ok(page.content.into())
    }

    pub(super) async fn list_pull_requests(
        &self,
        repository: &Repository,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let mut url = self.url(repository, &["pulls"]);
        url.set_query(Some("state=open&per_page=100"));
        let call = Call::get(
            format!("list the open pull requests of `{repository}`"),
            url,
        );
        let access = Access::owner(repository, Needs::PULL_REQUESTS);
        let pages: Vec<Page<Vec<WirePull>>> = self.api.list(&access, &call).await?;
        let pulls = pages.into_iter().flat_map(|page| page.content);
        Ok(pulls.map(PullRequest::from).collect())
    }

    pub(super) async fn head(
        &self,
        repository: &Repository,
        branch: &str,
    ) -> Result<Option<String>, ForgeError> {
        // The slashes of a branch are slashes of the path.
        let segments: Vec<&str> = ["git", "ref", "heads"]
            .into_iter()
            .chain(branch.split('/'))
            .collect();
        let doing = format!("look up branch `{branch}` of `{repository}`");
        let call = Call::get(doing, self.url(repository, &segments));
        let access = Access::owner(repository, Needs::CONTENTS);
        match self.api.page::<Reference>(&access, &call).await {
            Ok(page) => Ok(Some(page.content.object.sha)),
            // 409: the repository is empty.
            Err(error) if error.fault == Fault::NotFound || error.status == Some(409) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn heads(
        &self,
        repository: &Repository,
    ) -> Result<BTreeMap<String, String>, ForgeError> {
        let mut url = self.url(repository, &["branches"]);
        url.set_query(Some("per_page=100"));
        let call = Call::get(format!("list the branches of `{repository}`"), url);
        let access = Access::owner(repository, Needs::CONTENTS);
        let pages: Vec<Page<Vec<Branch>>> = self.api.list(&access, &call).await?;
        let branches = pages.into_iter().flat_map(|page| page.content);
        Ok(branches
            .map(|branch| (branch.name, branch.commit.sha))
            .collect())
    }
}

impl From<WirePull> for PullRequest {
    fn from(pull: WirePull) -> Self {
        let (author, kind) = match pull.user {
            Some(user) => (user.login, user.kind),
            // GitHub's stand-in for accounts that are gone.
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
