use serde::{Deserialize, Serialize};

use crate::forge::common::Commit;
use crate::forge::http::Call;
use crate::forge::{Fault, ForgeError, Repository};

use super::Github;
use super::access::{Access, Needs};

#[derive(Debug, Serialize, Deserialize)]
struct Reference {
    object: Commit,
}

impl Github {
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
        let call = Call::get(doing, self.api.url_in(repository, &segments));
        let access = Access::owner(repository, Needs::CONTENTS);
        match self.api.page::<Reference>(&access, &call).await {
            Ok(page) => Ok(Some(page.content.object.sha)),
            // 409: the repository is empty.
            Err(error) if error.fault == Fault::NotFound || error.status == Some(409) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
