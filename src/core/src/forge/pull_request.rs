use serde::{Deserialize, Serialize};

use super::FullName;

/// A pull request as its forge describes it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullRequest {
    /// In its repository.
    pub number: u64,
    /// One line.
    pub title: String,
    /// Its page.
    pub html_url: String,
    /// Whether it can still be merged.
    pub is_open: bool,
    /// Whether its author says that it is not ready.
    pub is_draft: bool,
    /// Login of who made it.
    pub author: String,
    /// Whether that is no person.
    pub author_is_bot: bool,
    /// What it would merge.
    pub head_sha: String,
    /// The branch that is, in `head_repository`.
    pub head_branch: String,
    /// Where that is; none when the fork is gone.
    pub head_repository: Option<FullName>,
    /// What it would be merged into.
    pub base_branch: String,
    /// Where that was when the forge looked last.
    pub base_sha: String,
}

impl PullRequest {
    /// Whether its code comes from another repository than `repository`, or from nowhere.
    pub fn is_from_fork_of(&self, repository: &FullName) -> bool {
        self.head_repository.as_ref() != Some(repository)
    }
}

/// What a person may do with a repository. A greater one includes the lesser ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// No more than everyone.
    Nothing,
    /// See it.
    Read,
    /// Push to it.
    Write,
    /// Change its settings.
    Admin,
}

impl Permission {
    /// Both forges use these words, and Gitea `owner` besides. A word that is not known gives
    /// nothing.
    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "owner" | "admin" => Self::Admin,
            "maintain" | "write" => Self::Write,
            "triage" | "read" => Self::Read,
            _ => Self::Nothing,
        }
    }
}
