//! What Gitea and Forgejo send, as far as it is used.

use serde::{Deserialize, Deserializer, Serialize};

use crate::forge::select::Candidate;
use crate::forge::{ForgeKind, FullName, OwnerKind, Repository};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireRepository {
    pub(super) id: u64,
    pub(super) full_name: FullName,
    pub(super) html_url: String,
    pub(super) clone_url: String,
    pub(super) ssh_url: String,
    #[serde(default)]
    pub(super) default_branch: String,
    /// Older versions do not tell.
    #[serde(default)]
    pub(super) topics: Option<Vec<String>>,
    #[serde(default)]
    pub(super) private: bool,
    /// Visible to who is logged in.
    #[serde(default)]
    pub(super) internal: bool,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) permissions: Option<RepositoryPermissions>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RepositoryPermissions {
    #[serde(default)]
    pub(super) admin: bool,
}

impl WireRepository {
    pub(super) fn into_repository(self, owner_kind: OwnerKind) -> Repository {
        let mut topics = self.topics.unwrap_or_default();
        topics.sort();
        Repository {
            forge: ForgeKind::Gitea,
            id: self.id,
            full_name: self.full_name,
            owner_kind,
            html_url: self.html_url,
            clone_url: self.clone_url,
            ssh_url: self.ssh_url,
            default_branch: self.default_branch,
            topics,
            private: self.private || self.internal,
            installation: None,
            named_at: None,
        }
    }

    pub(super) fn into_candidate(self, owner_kind: OwnerKind) -> Candidate {
        let may_administer = self.permissions.as_ref().is_some_and(|may| may.admin);
        let obstacle = if self.archived {
            Some("it is archived, so nothing can be reported")
        } else if !may_administer {
            Some("the token's user does not administer it, so there can be no webhook")
        } else if self.default_branch.is_empty() {
            Some("it has no branch yet")
        } else {
            None
        };
        Candidate {
            obstacle: obstacle.map(str::to_owned),
            repository: self.into_repository(owner_kind),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Organization {
    name: Option<String>,
    /// The older name of `name`. Most versions send both.
    username: Option<String>,
}

impl Organization {
    pub(super) fn into_name(self) -> String {
        self.name.or(self.username).unwrap_or_default()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Topics {
    #[serde(default)]
    pub(super) topics: Option<Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireHook {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) active: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) events: Vec<String>,
    #[serde(default)]
    pub(super) config: HookConfig,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct HookConfig {
    #[serde(default)]
    pub(super) url: String,
    #[serde(default)]
    pub(super) content_type: String,
}

/// `null` where a list was to be expected: Go's empty one.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
