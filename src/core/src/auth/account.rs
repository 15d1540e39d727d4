use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Who vouches for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// GitHub, or a GitHub Enterprise server.
    Github,
    /// Gitea or Forgejo.
    Gitea,
    /// An OpenID Connect provider.
    Oidc,
    /// A reverse proxy in front of the master, which says who it let through.
    Proxy,
}

/// A text that names no provider.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no provider of logins; there are `github`, `gitea`, `oidc` and `proxy`")]
pub struct UnknownProvider(String);

impl Provider {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Github, Self::Gitea, Self::Oidc, Self::Proxy];

    /// The word before the colon in `github:octocat`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitea => "gitea",
            Self::Oidc => "oidc",
            Self::Proxy => "proxy",
        }
    }

    /// Whether two names of it are the same. Forges take `Octocat` and `octocat` for one user, and
    /// let nobody register the other; of all else we know no such thing.
    pub(super) fn same_name(self, left: &str, right: &str) -> bool {
        match self {
            Self::Github | Self::Gitea => left.eq_ignore_ascii_case(right),
            Self::Oidc | Self::Proxy => left == right,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, UnknownProvider> {
        let mut all = Self::ALL.into_iter();
        all.find(|provider| provider.as_str() == text)
            .ok_or_else(|| UnknownProvider(text.to_owned()))
    }
}

/// Somebody's name at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Account {
    /// Who vouches for the name.
    pub provider: Provider,
    /// What they log in as.
    pub login: String,
}

impl Account {
    /// Whether it is that of `login` at `provider`.
    pub(super) fn is(&self, provider: Provider, login: &str) -> bool {
        self.provider == provider && provider.same_name(&self.login, login)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.provider, self.login)
    }
}

/// An organisation or group that a provider says somebody is in. A name, never a role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// Who says so.
    pub provider: Provider,
    /// The organisation.
    pub name: String,
}

/// A team of an organisation, which an OpenID Connect provider calls a group `acme/ci`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Team {
    /// The organisation.
    pub owner: String,
    /// As it is written in addresses.
    pub name: String,
}

impl fmt::Display for Team {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)
    }
}

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who it is.
    pub account: Account,
    /// What the provider knows them by, which stays when they are renamed: the number on a forge,
    /// `sub` of OpenID Connect. Empty if there is nothing but the name.
    pub id: String,
    /// Where they are a member.
    pub memberships: Vec<Membership>,
}
