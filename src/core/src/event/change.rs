//! Events to changes, with the fields that Buildbot's hooks for these forges give.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{PullRequestEvent, Push};
use super::trust::is_from_fork;
use crate::forge::ForgeKind;
use crate::plan::{FROM_FORK, NO, ProjectPlan, YES};

/// Characters of columns in Buildbot's database; `PostgreSQL` refuses what is longer.
const SHORT_MAX: usize = 255;
const REVLINK_MAX: usize = 256;
const FILE_MAX: usize = 1024;
/// Characters of a comment, which is shown as a whole wherever the change is.
const COMMENTS_MAX: usize = 4096;
/// Files of a change; each is a row.
const FILES_MAX: usize = 500;

/// A change for Buildbot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Who wrote it, or who opened the pull request.
    pub author: String,
    /// Who committed it.
    pub committer: Option<String>,
    /// Message of the commit, or title and text of the pull request.
    pub comments: String,
    /// The commit; of a pull request, its head.
    pub revision: String,
    /// The branch, or a ref of the pull request.
    pub branch: String,
    /// `push` or `pull`; none for a push to GitHub.
    pub category: Option<String>,
    /// Its page on GitHub, its ssh URL on Gitea; as the plan has it, also after a rename.
    pub repository: String,
    /// Name of the project in the plan.
    pub project: String,
    /// Page of the commit or pull request; empty if there is none.
    pub revlink: String,
    /// When it was made, in seconds since 1970.
    pub seconds: Option<i64>,
    /// Files it touches, as far as that is said.
    pub files: Vec<String>,
    /// Properties of the builds that come of it.
    pub properties: BTreeMap<String, String>,
}

/// The change that a push to `project` is.
pub(super) fn push(forge: ForgeKind, project: &ProjectPlan, push: &Push) -> Change {
    let commit = &push.commit;
    finished(Change {
        author: commit.author.clone(),
        committer: commit.committer.clone(),
        comments: commit.message.clone(),
        revision: push.after.clone(),
        branch: push.branch.clone(),
        category: (forge == ForgeKind::Gitea).then(|| "push".to_owned()),
        repository: project.repository.clone(),
        project: project.name.to_string(),
        revlink: commit.url.clone(),
        seconds: commit.seconds,
        files: commit.files.clone(),
        properties: properties([("event", "push")]),
    })
}

/// The change that a pull request for `project` is.
pub(super) fn pull_request(
    forge: ForgeKind,
    project: &ProjectPlan,
    event: &PullRequestEvent,
) -> Change {
    let pull_request = &event.pull_request;
    let number = pull_request.number;
    let commits = match pull_request.commits {
        None => String::new(),
        Some(1) => " (1 commit)".to_owned(),
        Some(count) => format!(" ({count} commits)"),
    };
    let (title, body) = (&pull_request.title, &pull_request.body);
    finished(Change {
        author: event.sender.clone(),
        committer: None,
        comments: format!(
            "{} Pull Request #{number}{commits}\n{title}\n{body}",
            forge.title()
        ),
        revision: pull_request.head.sha.clone(),
        branch: reference(forge, number),
        category: Some("pull".to_owned()),
        repository: project.repository.clone(),
        project: project.name.to_string(),
        revlink: pull_request.url.clone(),
        seconds: pull_request.seconds,
        files: Vec::new(),
        properties: pull_request_properties(forge, event),
    })
}

/// What a pull request's builds call their branch: the ref that the forge keeps for it.
///
/// Never the name of its head branch. That is for the author to choose: a fork's `main` would be
/// taken for the default branch, and two forks' `fix` for one branch.
pub(super) fn reference(forge: ForgeKind, number: u64) -> String {
    match forge {
        // As Buildbot's own hook does.
        ForgeKind::Github => format!("refs/pull/{number}/merge"),
        ForgeKind::Gitea => format!("refs/pull/{number}/head"),
    }
}

fn pull_request_properties(forge: ForgeKind, event: &PullRequestEvent) -> BTreeMap<String, String> {
    let mut properties = match forge {
        ForgeKind::Github => github_properties(event),
        ForgeKind::Gitea => gitea_properties(event),
    };
    // Who may restart what is built of it, see `auth`.
    let author = format!("{forge}:{}", event.pull_request.author.login);
    properties.insert("pull_request_author".to_owned(), author);
    // Whether it may fetch private submodules, see `plan`.
    let from_fork = if is_from_fork(event) { YES } else { NO };
    properties.insert(FROM_FORK.to_owned(), from_fork.to_owned());
    properties
}

fn github_properties(event: &PullRequestEvent) -> BTreeMap<String, String> {
    let pull_request = &event.pull_request;
    properties([
        ("event", "pull_request"),
        ("pullrequesturl", &pull_request.url),
        ("basename", &pull_request.base.branch),
        ("github.base.ref", &pull_request.base.branch),
        ("github.base.sha", &pull_request.base.sha),
        ("github.head.ref", &pull_request.head.branch),
        ("github.head.sha", &pull_request.head.sha),
        ("github.number", &pull_request.number.to_string()),
    ])
}

/// As the plugin buildbot-gitea calls them.
fn gitea_properties(event: &PullRequestEvent) -> BTreeMap<String, String> {
    let pull_request = &event.pull_request;
    let (head, base) = (&pull_request.head, &pull_request.base);
    let number = pull_request.number.to_string();
    let mut all = properties([
        ("event", "pull_request"),
        ("pullrequesturl", &pull_request.url),
        ("base_branch", &base.branch),
        ("base_sha", &base.sha),
        ("base_repo_id", &event.repository.id.to_string()),
        ("base_repository", &event.repository.html_url),
        ("base_git_ssh_url", &event.repository.ssh_url),
        ("head_branch", &head.branch),
        ("head_sha", &head.sha),
        ("pr_id", &pull_request.id.to_string()),
        ("pr_number", &number),
        ("repository_name", &event.repository.name),
        ("owner", &event.repository.owner),
    ]);
    if let Some(repository) = &head.repository {
        all.extend(properties([
            ("head_repo_id", &repository.id.to_string()),
            ("head_repository", &repository.html_url),
            ("head_git_ssh_url", &repository.ssh_url),
            ("head_owner", &repository.owner),
            ("head_reponame", &repository.name),
        ]));
    }
    all
}

fn properties<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// `change` as Buildbot's database can hold it.
fn finished(change: Change) -> Change {
    let mut files = change.files;
    files.retain(|file| file.chars().count() <= FILE_MAX && !file.contains('\0'));
    files.truncate(FILES_MAX);
    let revlink = match change.revlink {
        link if link.chars().count() <= REVLINK_MAX => shortened(&link, REVLINK_MAX),
        _ => String::new(),
    };
    let properties = change.properties.into_iter();
    Change {
        author: shortened(&change.author, SHORT_MAX),
        committer: change.committer.map(|text| shortened(&text, SHORT_MAX)),
        comments: shortened(&change.comments, COMMENTS_MAX),
        properties: properties
            .map(|(name, value)| (name, shortened(&value, COMMENTS_MAX)))
            .collect(),
        files,
        revlink,
        ..change
    }
}

/// At most `max` characters of `text`, and none that `PostgreSQL` has no place for.
fn shortened(text: &str, max: usize) -> String {
    let characters = text.chars().filter(|character| *character != '\0');
    characters.take(max).collect()
}

/// Whether `branch` fits into Buildbot's database.
pub(super) fn fits(branch: &str) -> bool {
    branch.chars().count() <= SHORT_MAX && !branch.contains('\0')
}
