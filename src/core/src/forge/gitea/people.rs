use serde::Deserialize;

use crate::forge::common::User;
use crate::forge::http::Call;
use crate::forge::{Fault, ForgeError, Repository};

use super::Gitea;

/// What searches answer.
#[derive(Debug, Deserialize)]
struct Found<T> {
    data: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Team {
    id: u64,
    name: String,
}

impl Gitea {
    pub(super) async fn has_in_team(
        &self,
        repository: &Repository,
        team: &str,
        user: &str,
    ) -> Result<bool, ForgeError> {
        let owner = repository.full_name.owner();
        let doing = format!("ask whether `{user}` is in the team `{owner}/{team}`");
        let mut url = self.api.http.url(&["orgs", owner, "teams", "search"]);
        url.query_pairs_mut().append_pair("q", team);
        let call = Call::get(doing.clone(), url);
        let found: Found<Team> = match self.api.read(&(), &call).await {
            Err(error) if error.fault == Fault::NotFound => return Ok(false),
            found => found?,
        };
        let is_it = |found: &Team| found.name.eq_ignore_ascii_case(team);
        let Some(team) = found.data.into_iter().find(is_it) else {
            return Ok(false);
        };
        let number = team.id.to_string();
        let url = self.api.http.url(&["teams", &number, "members", user]);
        match self.api.send(&(), &Call::get(doing, url)).await {
            Ok(_) => Ok(true),
            Err(error) if error.fault == Fault::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn find_login(
        &self,
        _: &Repository,
        id: &str,
    ) -> Result<Option<String>, ForgeError> {
        let mut url = self.api.http.url(&["users", "search"]);
        url.query_pairs_mut().append_pair("uid", id);
        let call = Call::get(format!("ask what user {id} is called"), url);
        let found: Found<User> = self.api.read(&(), &call).await?;
        let mut found = found.data.into_iter();
        // Without the number, it would find everybody.
        Ok(found
            .find(|user| user.id.to_string() == id)
            .map(|user| user.login))
    }
}
