use serde::Serialize;

use super::node::{Node, Value};
use super::table::{Read, Table};
use super::value::{self, Mismatch, Parsed};

/// Which pull requests are built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullRequestSettings {
    /// Of whom, if they come from a fork.
    pub trust: TrustPolicy,
    /// Logins that count as members, bots among them.
    pub trusted_users: Vec<String>,
    /// Whether who had something merged before counts as a member. GitHub says so, Gitea does not.
    pub trust_contributors: bool,
    /// Whether drafts are built.
    pub drafts: bool,
}

/// Whose pull requests from forks are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustPolicy {
    /// Everybody's.
    #[default]
    All,
    /// Those of who may push to the repository.
    Members,
    /// Theirs at once, those of others when one of them agrees.
    Approve,
}

impl TrustPolicy {
    const ALL: [Self; 3] = [Self::All, Self::Members, Self::Approve];

    /// The word in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Members => "members",
            Self::Approve => "approve",
        }
    }
}

impl Default for PullRequestSettings {
    fn default() -> Self {
        Self {
            trust: TrustPolicy::default(),
            trusted_users: Vec::new(),
            trust_contributors: false,
            drafts: true,
        }
    }
}

/// What `pull_requests` says.
pub(super) fn pull_requests(table: &Table) -> Read<PullRequestSettings> {
    let default = PullRequestSettings::default();
    let Some(table) = table.table("pull_requests")? else {
        return Ok(default);
    };
    let trust = table.optional("trust", policy, default.trust);
    let trusted_users = table.optional("trusted_users", logins, default.trusted_users);
    let trust_contributors = table.optional(
        "trust_contributors",
        value::boolean,
        default.trust_contributors,
    );
    let drafts = table.optional("drafts", value::boolean, default.drafts);
    table.finish();
    Ok(PullRequestSettings {
        trust: trust?,
        trusted_users: trusted_users?,
        trust_contributors: trust_contributors?,
        drafts: drafts?,
    })
}

fn policy(value: &Value) -> Parsed<TrustPolicy> {
    let mut policies = TrustPolicy::ALL.into_iter();
    match value {
        Value::Text(text) => policies.find(|policy| policy.as_str() == text),
        _ => None,
    }
    .ok_or_else(|| Mismatch::expected("`all`, `members` or `approve`"))
}

fn logins(value: &Value) -> Parsed<Vec<String>> {
    let expected = "a list of logins such as `[alice, \"renovate[bot]\"]`";
    let Value::List(items) = value else {
        return Err(Mismatch::expected(expected));
    };
    let read = items.iter().map(|Node { value, .. }| value::text(value));
    read.collect::<Parsed<_>>()
        .map_err(|_| Mismatch::expected(expected))
}
