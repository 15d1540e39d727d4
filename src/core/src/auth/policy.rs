use std::fmt;

use serde::Serialize;

use super::{Account, Provider, Team, User};
use crate::forge::Permission;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Look at it: builds, logs, properties, events.
    See,
    /// Start what has ended once more.
    Restart,
    /// Stop what runs.
    Stop,
    /// Cancel what waits.
    Cancel,
    /// Build a revision that they name.
    Force,
    /// Forget that derivations failed.
    Purge,
    /// Ask the forges for their repositories.
    Reload,
    /// Pause workers, switch schedulers off, change priorities.
    Operate,
}

impl Action {
    /// All of them, the harmless first.
    pub const ALL: [Self; 8] = [
        Self::See,
        Self::Restart,
        Self::Stop,
        Self::Cancel,
        Self::Force,
        Self::Purge,
        Self::Reload,
        Self::Operate,
    ];

    /// In words, to complete "may".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::See => "look",
            Self::Restart => "restart builds",
            Self::Stop => "stop builds",
            Self::Cancel => "cancel what waits",
            Self::Force => "start builds",
            Self::Purge => "forget failures",
            Self::Reload => "reload the projects",
            Self::Operate => "operate workers and schedulers",
        }
    }
}

/// Whose a repository is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The forge.
    pub provider: Provider,
    /// An organisation, or a user.
    pub name: &'a str,
}

impl Owner<'_> {
    fn teams_among(self, teams: &[Team]) -> impl Iterator<Item = &Team> {
        let is_own = move |team: &&Team| self.provider.same_name(&team.owner, self.name);
        teams.iter().filter(is_own)
    }
}

/// What it is done to. Never a builder: those of attributes are virtual and come by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object<'a> {
    /// The instance: workers, schedulers, the list of projects, what belongs to no project.
    Instance,
    /// A project, or one of its runs and builds.
    Project {
        /// Whose it is; no forge knows a repository that is only polled.
        owner: Option<Owner<'a>>,
        /// Whether its forge shows it to members only.
        is_private: bool,
        /// Who proposed what is built, if it is a pull request.
        author: Option<&'a Account>,
    },
}

/// What makes somebody a member, who may control the builds of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MembersBy {
    /// Membership in the organisation that owns the repository, as with the predecessor.
    #[default]
    Organisation,
    /// That they may push to the repository.
    Repository,
    /// Membership in one of these teams, each for what its organisation owns.
    Teams(Vec<Team>),
}

impl MembersBy {
    /// The teams that count.
    pub fn teams(&self) -> &[Team] {
        match self {
            Self::Teams(teams) => teams,
            Self::Organisation | Self::Repository => &[],
        }
    }
}

/// An entry of the setting `admins`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Admin {
    /// Whose name it is; settings with several providers must say it.
    pub provider: Option<Provider>,
    /// The name; or, behind a `#`, what the provider knows them by, which no other can get.
    pub login: String,
}

impl Admin {
    fn is(&self, user: &User) -> bool {
        let provider = self.provider.unwrap_or(user.account.provider);
        match self.login.strip_prefix('#') {
            Some(id) => provider == user.account.provider && !id.is_empty() && id == user.id,
            None => user.account.is(provider, &self.login),
        }
    }
}

/// What the settings say about rights.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Policy {
    /// Who may do everything.
    pub admins: Vec<Admin>,
    /// What makes somebody a member.
    pub members_by: MembersBy,
    /// Whether authors of pull requests may restart the runs of these.
    pub authors_may_restart: bool,
    /// Whether repositories that are private on their forge are hidden from others.
    pub hides_private: bool,
    /// Whether everybody may do everything, for instances in a network of their own.
    pub is_open: bool,
}

/// Whether something may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow(Reason),
    /// It may not.
    Deny(Reason),
}

impl Decision {
    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    /// Why.
    pub fn reason(&self) -> &Reason {
        match self {
            Self::Allow(reason) | Self::Deny(reason) => reason,
        }
    }
}

/// Why something may be done, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// `allow_unauthenticated_control` is on.
    Open,
    /// They are listed in `admins`.
    IsAdmin,
    /// Everybody may look.
    Public,
    /// They are a member.
    IsMember,
    /// The forge lets them look.
    MayRead,
    /// It is their pull request.
    IsAuthor,
    /// Nobody is logged in.
    LogIn,
    /// Only admins may.
    AdminsOnly,
    /// Only members of this organisation, or of these teams, may, and admins.
    MembersOnly(String),
    /// Only who may push to it may, and admins.
    WritersOnly,
    /// It is as if it was not there.
    Hidden,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => formatter.write_str("everybody may"),
            Self::IsAdmin => formatter.write_str("admin"),
            Self::Public => formatter.write_str("public"),
            Self::IsMember => formatter.write_str("member"),
            Self::MayRead => formatter.write_str("may read the repository"),
            Self::IsAuthor => formatter.write_str("author of the pull request"),
            Self::LogIn => formatter.write_str("log in to do this"),
            Self::AdminsOnly => formatter.write_str("only admins of this instance may do this"),
            Self::MembersOnly(owner) => {
                write!(formatter, "only members of {owner} and admins may do this")
            }
            Self::WritersOnly => formatter
                .write_str("only those who may push to the repository and admins may do this"),
            Self::Hidden => formatter.write_str("there is no such thing here"),
        }
    }
}

impl Policy {
    /// Whether `user` (nobody, if they are not logged in) may do `action` to `object`, given the
    /// `permission` that the object's forge says they have. Whatever no rule allows is denied.
    pub fn decide(
        &self,
        user: Option<&User>,
        permission: Permission,
        action: Action,
        object: Object<'_>,
    ) -> Decision {
        if self.is_open {
            return Decision::Allow(Reason::Open);
        }
        if user.is_some_and(|user| self.is_admin(user)) {
            return Decision::Allow(Reason::IsAdmin);
        }
        match object {
            Object::Instance => Self::of_instance(user, action),
            Object::Project {
                owner,
                is_private,
                author,
            } => {
                if is_private && self.hides_private && permission < Permission::Read {
                    return Decision::Deny(Reason::Hidden);
                }
                self.of_project(user, permission, action, owner, is_private, author)
            }
        }
    }

    /// Whether it depends on what the forge says, which takes a request to find out.
    pub fn depends_on_permission(
        &self,
        user: Option<&User>,
        action: Action,
        object: Object<'_>,
    ) -> bool {
        // Nobody has no permissions.
        user.is_some()
            && self.decide(user, Permission::Nothing, action, object)
                != self.decide(user, Permission::Admin, action, object)
    }

    fn is_admin(&self, user: &User) -> bool {
        self.admins.iter().any(|admin| admin.is(user))
    }

    fn of_instance(user: Option<&User>, action: Action) -> Decision {
        match (action, user) {
            (Action::See, _) => Decision::Allow(Reason::Public),
            (_, None) => Decision::Deny(Reason::LogIn),
            (_, Some(_)) => Decision::Deny(Reason::AdminsOnly),
        }
    }

    fn of_project(
        &self,
        user: Option<&User>,
        permission: Permission,
        action: Action,
        owner: Option<Owner<'_>>,
        is_private: bool,
        author: Option<&Account>,
    ) -> Decision {
        if action == Action::See {
            let hidden = is_private && self.hides_private;
            let reason = if hidden {
                Reason::MayRead
            } else {
                Reason::Public
            };
            return Decision::Allow(reason);
        }
        let Some(user) = user else {
            return Decision::Deny(Reason::LogIn);
        };
        if matches!(action, Action::Reload | Action::Operate) {
            return Decision::Deny(Reason::AdminsOnly);
        }
        let Some(owner) = owner else {
            return Decision::Deny(Reason::AdminsOnly);
        };
        if self.is_member(user, permission, owner) {
            return Decision::Allow(Reason::IsMember);
        }
        let is_author =
            author.is_some_and(|author| user.account.is(author.provider, &author.login));
        if action == Action::Restart && self.authors_may_restart && is_author {
            return Decision::Allow(Reason::IsAuthor);
        }
        Decision::Deny(self.who_may(owner))
    }

    fn is_member(&self, user: &User, permission: Permission, owner: Owner<'_>) -> bool {
        let is_owner = user.account.is(owner.provider, owner.name);
        match &self.members_by {
            MembersBy::Organisation => is_owner || is_in(user, owner.provider, owner.name),
            MembersBy::Repository => permission >= Permission::Write,
            MembersBy::Teams(teams) => {
                let mut teams = owner.teams_among(teams);
                is_owner || teams.any(|team| is_in(user, owner.provider, &team.to_string()))
            }
        }
    }

    /// Why others may not control what is `owner`'s.
    fn who_may(&self, owner: Owner<'_>) -> Reason {
        match &self.members_by {
            MembersBy::Organisation => Reason::MembersOnly(owner.name.to_owned()),
            MembersBy::Repository => Reason::WritersOnly,
            MembersBy::Teams(teams) => {
                let teams: Vec<String> = owner.teams_among(teams).map(Team::to_string).collect();
                if teams.is_empty() {
                    Reason::AdminsOnly
                } else {
                    Reason::MembersOnly(teams.join(" or "))
                }
            }
        }
    }
}

/// Whether the user is in what a forge calls `name`. Groups of an OIDC provider count as the
/// organisations and teams of that name, whatever the forge: there, an admin gives them.
fn is_in(user: &User, forge: Provider, name: &str) -> bool {
    user.memberships.iter().any(|membership| {
        let vouches = membership.provider == forge || membership.provider == Provider::Oidc;
        vouches && forge.same_name(&membership.name, name)
    })
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
