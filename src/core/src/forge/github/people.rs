use serde::Deserialize;

use crate::forge::common::User;
use crate::forge::http::Call;
use crate::forge::{Fault, ForgeError, Repository};

use super::Github;
use super::access::{Access, Needs};

impl Github {
    pub(super) async fn has_in_team(
        &self,
        repository: &Repository,
        team: &str,
        user: &str,
    ) -> Result<bool, ForgeError> {
        #[derive(Deserialize)]
        struct Membership {
            state: String,
        }
        let owner = repository.full_name.owner();
        let url = ["orgs", owner, "teams", team, "memberships", user];
        let doing = format!("ask whether `{user}` is in the team `{owner}/{team}`");
        let call = Call::get(doing, self.api.http.url(&url));
        let access = Access::owner(repository, Needs::MEMBERS);
        match self.api.read::<Membership>(&access, &call).await {
            // Else they are invited, and have not said yes.
            Ok(membership) => Ok(membership.state == "active"),
            Err(error) if error.fault == Fault::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn find_login(
        &self,
        repository: &Repository,
        id: &str,
    ) -> Result<Option<String>, ForgeError> {
        let url = self.api.http.url(&["user", id]);
        let call = Call::get(format!("ask what user {id} is called"), url);
        let access = Access::owner(repository, Needs::METADATA);
        match self.api.read::<User>(&access, &call).await {
            Ok(user) => Ok(Some(user.login)),
            Err(error) if error.fault == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
