use serde::{Deserialize, Serialize};

use crate::forge::http::{Call, Page};
use crate::forge::{Fault, ForgeError, OwnerKind, Permission, Repository};

use super::Github;
use super::access::{Access, Needs};

#[derive(Debug, Serialize, Deserialize)]
struct Member {
    login: String,
}

impl Github {
    pub(super) async fn permission_of(
        &self,
        repository: &Repository,
        user: &str,
    ) -> Result<Permission, ForgeError> {
        #[derive(Deserialize)]
        struct Answer {
            permission: String,
        }
        let url = self.url(repository, &["collaborators", user, "permission"]);
        let call = Call::get(format!("ask what `{user}` may do in `{repository}`"), url);
        let access = Access::repository(repository, Needs::METADATA);
        match self.api.read::<Answer>(&access, &call).await {
            Ok(answer) => Ok(Permission::from_word(&answer.permission)),
            // There is no such user.
            Err(error) if error.fault == Fault::NotFound => Ok(Permission::Nothing),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn has_member(
        &self,
        repository: &Repository,
        user: &str,
    ) -> Result<bool, ForgeError> {
        let owner = repository.full_name.owner();
        if repository.owner_kind == OwnerKind::User {
            return Ok(owner.eq_ignore_ascii_case(user));
        }
        let url = self.api.http.url(&["orgs", owner, "members", user]);
        let call = Call::get(
            format!("ask whether `{user}` is a member of `{owner}`"),
            url,
        );
        let access = Access::owner(repository, Needs::MEMBERS);
        match self.api.send(&access, &call).await {
            Ok(_) => Ok(true),
            Err(error) if error.fault == Fault::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

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
        match self.api.read::<Member>(&access, &call).await {
            Ok(user) => Ok(Some(user.login)),
            Err(error) if error.fault == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn list_members(
        &self,
        repository: &Repository,
    ) -> Result<Vec<String>, ForgeError> {
        let owner = repository.full_name.owner();
        if repository.owner_kind == OwnerKind::User {
            return Ok(vec![owner.to_owned()]);
        }
        let mut url = self.api.http.url(&["orgs", owner, "members"]);
        url.set_query(Some("per_page=100"));
        let call = Call::get(format!("list the members of `{owner}`"), url);
        let access = Access::owner(repository, Needs::MEMBERS);
        let pages: Vec<Page<Vec<Member>>> = self.api.list(&access, &call).await?;
        let members = pages.into_iter().flat_map(|page| page.content);
        Ok(members.map(|member| member.login).collect())
    }
}
