use serde::{Deserialize, Serialize};

/// What happened on a forge, in one language for all of them. Serialised, it is what the master
/// keeps of a delivery until it has acted on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A branch is at another commit, or new.
    Push(Box<Push>),
    /// A branch is gone.
    BranchDeleted {
        /// Whose.
        repository: RepositoryRef,
        /// Without `refs/heads/`.
        branch: String,
    },
    /// A tag was made, moved or deleted.
    Tag {
        /// Whose.
        repository: RepositoryRef,
        /// Without `refs/tags/`.
        tag: String,
    },
    /// Something happened to a pull request.
    PullRequest(Box<PullRequestEvent>),
    /// GitHub's merge queue has made a branch, or does not need it any more.
    MergeGroup {
        /// Whose.
        repository: RepositoryRef,
        /// Without `refs/heads/`.
        branch: String,
        /// Whether it is over.
        is_over: bool,
    },
    /// Somebody wrote below a pull request.
    Comment(Box<Comment>),
    /// Somebody pressed GitHub's Re-run button.
    Rerun {
        /// Whose.
        repository: RepositoryRef,
        /// The commit.
        revision: String,
        /// Who.
        user: String,
        /// What is to run again; nothing means everything.
        check: Option<Check>,
    },
    /// A repository was renamed, transferred, archived, has other topics and the like.
    RepositoryChanged {
        /// What happened, e.g. `renamed`.
        what: String,
    },
    /// The App may see more or fewer repositories.
    Installation {
        /// What happened, e.g. `suspend`.
        what: String,
    },
    /// The hook was made.
    Ping,
    /// Nothing that concerns us.
    Other {
        /// The forge's name of it.
        name: String,
    },
}

impl Event {
    /// Full name of the repository it is about. Events of one are handled in order.
    pub fn repository(&self) -> Option<&str> {
        let repository = match self {
            Self::Push(push) => &push.repository,
            Self::PullRequest(event) => &event.repository,
            Self::Comment(comment) => &comment.repository,
            Self::BranchDeleted { repository, .. }
            | Self::Tag { repository, .. }
            | Self::MergeGroup { repository, .. }
            | Self::Rerun { repository, .. } => repository,
            Self::RepositoryChanged { .. }
            | Self::Installation { .. }
            | Self::Ping
            | Self::Other { .. } => return None,
        };
        Some(&repository.full_name)
    }
}

/// A repository as an event names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryRef {
    /// The forge's number, which stays when it is renamed.
    pub id: u64,
    /// Its last part.
    pub name: String,
    /// `owner/name`.
    pub full_name: String,
    /// Who owns it.
    pub owner: String,
    /// Its page.
    pub html_url: String,
    /// Where it is fetched from over ssh.
    pub ssh_url: String,
    /// What it says its default branch is.
    pub default_branch: Option<String>,
}

/// What a branch is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Whose.
    pub repository: RepositoryRef,
    /// Without `refs/heads/`.
    pub branch: String,
    /// What it was; none if it is new.
    pub before: Option<String>,
    /// What it is.
    pub after: String,
    /// The commit that it is.
    pub commit: Commit,
}

/// A commit, and what the commits of its push changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Commit {
    /// `Name <address>`.
    pub author: String,
    /// `Name <address>`.
    pub committer: Option<String>,
    /// Its message.
    pub message: String,
    /// Its page.
    pub url: String,
    /// When it was made, in seconds since 1970.
    pub seconds: Option<i64>,
    /// Files that were added, changed or removed.
    pub files: Vec<String>,
}

/// Something that happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestEvent {
    /// Where it is to be merged.
    pub repository: RepositoryRef,
    /// What happened.
    pub action: PullRequestAction,
    /// As it is now.
    pub pull_request: PullRequest,
    /// Who did it.
    pub sender: String,
    /// Its head before, if that is said.
    pub before: Option<String>,
}

/// What happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestAction {
    /// It is there, or there again.
    Opened,
    /// Something was pushed to it.
    NewHead,
    /// It is to be merged elsewhere.
    Retargeted,
    /// It is no draft any more.
    Ready,
    /// It became a draft.
    Drafted,
    /// It was merged or given up.
    Closed,
    /// Anything else, as the forge calls it.
    Other(String),
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Its number in its repository.
    pub number: u64,
    /// The forge's number of it.
    pub id: u64,
    /// One line.
    pub title: String,
    /// The text below.
    pub body: String,
    /// Its page.
    pub url: String,
    /// Whether nobody is meant to merge it yet.
    pub draft: bool,
    /// Who opened it.
    pub author: Author,
    /// What is proposed.
    pub head: Side,
    /// What it is proposed for.
    pub base: Side,
    /// How many commits, if that is said.
    pub commits: Option<u64>,
    /// When it changed last, in seconds since 1970.
    pub seconds: Option<i64>,
}

/// One of the two branches of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Without `refs/heads/`.
    pub branch: String,
    /// The commit.
    pub sha: String,
    /// None if the repository is gone.
    pub repository: Option<RepositoryRef>,
}

/// Somebody, and what they are to a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// Their name on the forge.
    pub login: String,
    /// Whether that is a program.
    pub is_bot: bool,
    /// GitHub's `author_association`; a membership that is not public is missing in it.
    pub association: Option<String>,
}

/// Something written below a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// Whose pull request.
    pub repository: RepositoryRef,
    /// Which.
    pub number: u64,
    /// Who.
    pub author: Author,
    /// What.
    pub body: String,
}

/// One check run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, the context of a status.
    pub name: String,
    /// What we called it when we made it.
    pub external_id: Option<String>,
}
