//! What GitHub sends, as far as it is used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::forge::select::Candidate;
use crate::forge::{ForgeKind, FullName, OwnerKind, Repository};

/// Level by name.
pub(super) type Permissions = BTreeMap<String, String>;

/// Which of `needs` are not among the `granted` ones.
pub(super) fn missing(
    granted: &Permissions,
    needs: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    let rank = |level: &str| match level {
        "admin" => 3,
        "write" => 2,
        "read" => 1,
        _ => 0,
    };
    let has = |name: &str| granted.get(name).map_or(0, |level| rank(level));
    needs
        .iter()
        .copied()
        .filter(|(name, level)| has(name) < rank(level))
        .collect()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) account: Option<Account>,
    #[serde(default)]
    pub(super) permissions: Permissions,
    #[serde(default)]
    pub(super) suspended_at: Option<String>,
}

/// A user, an organisation or, with a `slug` only, an enterprise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Account {
    #[serde(default)]
    pub(super) login: Option<String>,
    #[serde(default)]
    pub(super) slug: Option<String>,
}

impl Installation {
    /// Whose repositories it can see.
    pub(super) fn name(&self) -> String {
        let account = self.account.as_ref();
        let name = account.and_then(|account| account.login.as_ref().or(account.slug.as_ref()));
        name.cloned()
            .unwrap_or_else(|| format!("installation {}", self.id))
    }
}

/// `/installation/repositories` has a list in a table.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InstallationRepositories<T> {
    pub(super) total_count: u64,
    pub(super) repositories: Vec<T>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireRepository {
    pub(super) id: u64,
    pub(super) full_name: FullName,
    pub(super) owner: Owner,
    pub(super) html_url: String,
    pub(super) clone_url: String,
    pub(super) ssh_url: String,
    pub(super) default_branch: String,
    #[serde(default)]
    pub(super) topics: Option<Vec<String>>,
    #[serde(default)]
    pub(super) private: bool,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(default)]
    pub(super) permissions: Option<RepositoryPermissions>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) login: String,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RepositoryPermissions {
    #[serde(default)]
    pub(super) admin: bool,
}

impl WireRepository {
    pub(super) fn into_repository(self, installation: Option<u64>) -> Repository {
        let mut topics = self.topics.unwrap_or_default();
        topics.sort();
        Repository {
            forge: ForgeKind::Github,
            id: self.id,
            full_name: self.full_name,
            owner_kind: if self.owner.kind == "Organization" {
                OwnerKind::Organization
            } else {
                OwnerKind::User
            },
            html_url: self.html_url,
            clone_url: self.clone_url,
            ssh_url: self.ssh_url,
            default_branch: self.default_branch,
            topics,
            private: self.private,
            installation,
            named_at: None,
        }
    }

    pub(super) fn into_candidate(self, installation: Option<u64>) -> Candidate {
        let may_administer = self.permissions.as_ref().is_some_and(|may| may.admin);
        let obstacle = if self.archived {
            Some("it is archived, so nothing can be reported")
        } else if self.disabled {
            Some("GitHub has disabled it")
        } else if installation.is_none() && !may_administer {
            Some("the token's user does not administer it, so there can be no webhook")
        } else {
            None
        };
        Candidate {
            obstacle: obstacle.map(str::to_owned),
            repository: self.into_repository(installation),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireHook {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) active: bool,
    #[serde(default)]
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
    /// A text or a number.
    #[serde(default)]
    pub(super) insecure_ssl: serde_json::Value,
}

impl HookConfig {
    pub(super) fn verifies_tls(&self) -> bool {
        self.insecure_ssl != "1" && self.insecure_ssl != 1
    }
}
