use serde::de::IgnoredAny;

use crate::forge::common::Branch;
use crate::forge::http::Call;
use crate::forge::{Fault, ForgeError, Repository};

use super::Gitea;

impl Gitea {
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
        let call = Call::get(doing, self.api.url_in(repository, &segments));
        match self.api.page::<Branch>(&(), &call).await {
            Ok(page) => Ok(Some(page.content.commit.sha)),
            Err(error) if error.fault == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn has_commit(
        &self,
        repository: &Repository,
        sha: &str,
    ) -> Result<bool, ForgeError> {
        let mut url = self.api.url_in(repository, &["git", "commits", sha]);
        url.set_query(Some("stat=false&verification=false&files=false"));
        let call = Call::get(format!("look up commit {sha} of `{repository}`"), url);
        match self.api.read::<IgnoredAny>(&(), &call).await {
            Ok(_) => Ok(true),
            Err(error) if error.fault == Fault::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
