//! What both forges send, as far as it matters here. Gitea took over GitHub's names.
//!
//! Fields: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>, and Gitea's
//! `modules/structs/hook.go`. Whatever else is there is ignored; lists may be null.

use serde::{Deserialize, Deserializer};

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) full_name: String,
    #[serde(default)]
    pub(super) html_url: String,
    #[serde(default)]
    pub(super) ssh_url: String,
    pub(super) owner: Option<User>,
    pub(super) default_branch: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    /// GitHub leaves it out of owners in some push events.
    pub(super) login: Option<String>,
    /// `Bot` on GitHub.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Person {
    #[serde(default)]
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    pub(super) id: String,
    #[serde(default)]
    pub(super) message: String,
    pub(super) url: Option<String>,
    pub(super) timestamp: Option<String>,
    pub(super) author: Option<Person>,
    pub(super) committer: Option<Person>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) added: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) modified: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) removed: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Push {
    #[serde(rename = "ref")]
    pub(super) reference: String,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) head_commit: Option<Commit>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) commits: Vec<Commit>,
    pub(super) repository: Repository,
    pub(super) sender: Option<User>,
}

/// `delete` and `create`.
#[derive(Debug, Deserialize)]
pub(super) struct Ref {
    #[serde(rename = "ref")]
    pub(super) name: String,
    #[serde(rename = "ref_type")]
    pub(super) kind: String,
    pub(super) repository: Repository,
}

#[derive(Debug, Deserialize)]
pub(super) struct PullRequestEvent {
    pub(super) action: String,
    pub(super) number: u64,
    pub(super) pull_request: PullRequest,
    pub(super) repository: Repository,
    pub(super) sender: Option<User>,
    /// What an edit replaced.
    pub(super) changes: Option<Changes>,
    /// The head before; GitHub says it with `synchronize`.
    pub(super) before: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PullRequest {
    #[serde(default)]
    pub(super) id: u64,
    #[serde(default)]
    pub(super) title: String,
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) html_url: String,
    pub(super) user: Option<User>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) draft: bool,
    pub(super) head: Side,
    pub(super) base: Side,
    pub(super) author_association: Option<String>,
    pub(super) commits: Option<u64>,
    pub(super) updated_at: Option<String>,
}

/// One of the two branches of a pull request.
#[derive(Debug, Deserialize)]
pub(super) struct Side {
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) sha: String,
    /// None if it was deleted.
    pub(super) repo: Option<Repository>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Changes {
    /// GitHub's word for a new base branch.
    pub(super) base: Option<serde::de::IgnoredAny>,
    /// Gitea's.
    #[serde(rename = "ref")]
    pub(super) reference: Option<From>,
    pub(super) title: Option<From>,
}

#[derive(Debug, Deserialize)]
pub(super) struct From {
    #[serde(default)]
    pub(super) from: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct MergeGroupEvent {
    pub(super) action: String,
    pub(super) merge_group: MergeGroup,
    pub(super) repository: Repository,
}

#[derive(Debug, Deserialize)]
pub(super) struct MergeGroup {
    pub(super) head_ref: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CommentEvent {
    pub(super) action: String,
    pub(super) issue: Issue,
    pub(super) comment: Comment,
    pub(super) repository: Repository,
    /// Gitea's.
    #[serde(default)]
    pub(super) is_pull: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    /// There if it is a pull request.
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    #[serde(default)]
    pub(super) body: String,
    pub(super) user: Option<User>,
    pub(super) author_association: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRunEvent {
    pub(super) action: String,
    pub(super) check_run: CheckRun,
    pub(super) repository: Repository,
    pub(super) sender: Option<User>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRun {
    pub(super) name: String,
    pub(super) head_sha: String,
    pub(super) external_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckSuiteEvent {
    pub(super) action: String,
    pub(super) check_suite: CheckSuite,
    pub(super) repository: Repository,
    pub(super) sender: Option<User>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckSuite {
    pub(super) head_sha: String,
}

/// Any event whose action and repository are all that matters.
#[derive(Debug, Deserialize)]
pub(super) struct Plain {
    pub(super) action: Option<String>,
    pub(super) repository: Option<Repository>,
}

/// Whether `hash` stands for no commit: what a branch was before it was made, or is after its end.
pub(super) fn is_no_commit(hash: &str) -> bool {
    hash.bytes().all(|digit| digit == b'0')
}

fn null_is_empty<'de, Source, Value>(deserializer: Source) -> Result<Value, Source::Error>
where
    Source: Deserializer<'de>,
    Value: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
