use super::{Forge, ForgeError, Repository};
use crate::auth::Team;

/// What a forge says now of somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What they are called.
    pub login: String,
    /// Of the owners and teams that it was asked about, those that they are in.
    pub memberships: Vec<String>,
}

impl Standing {
    /// That of the user with the number `id`, among the owners of `repositories`, one of each, and
    /// those of `teams` that are theirs. None if there is no such user any more.
    pub async fn of(
        forge: &dyn Forge,
        id: &str,
        repositories: &[Repository],
        teams: &[Team],
    ) -> Result<Option<Self>, ForgeError> {
        let Some(any) = repositories.first() else {
            return Ok(None);
        };
        let Some(login) = forge.login_of(any, id).await? else {
            return Ok(None);
        };
        let mut memberships = Vec::new();
        for repository in repositories {
            let owner = repository.full_name.owner();
            if forge.is_member(repository, &login).await? {
                memberships.push(owner.to_owned());
            }
            let is_own = |team: &&Team| team.owner.eq_ignore_ascii_case(owner);
            for team in teams.iter().filter(is_own) {
                if forge.is_in_team(repository, &team.name, &login).await? {
                    memberships.push(team.to_string());
                }
            }
        }
        Ok(Some(Self { login, memberships }))
    }
}
