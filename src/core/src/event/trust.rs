//! Whose pull requests are built without anybody looking at them first.

use super::model::{Author, PullRequestEvent};
use crate::config::{PullRequestSettings, TrustPolicy};

/// What becomes of a pull request or a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It counts.
    Trusted,
    /// It does if its author may write to the repository; the forge knows.
    Ask,
    /// It does not.
    Stranger,
}

/// What GitHub calls those who may push to a repository.
const MEMBERS: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];
/// Who had something merged before.
const CONTRIBUTOR: &str = "CONTRIBUTOR";

/// Whether a pull request is built at once.
///
/// One from the repository itself was pushed by who may push anything there.
pub(super) fn judge(settings: &PullRequestSettings, event: &PullRequestEvent) -> Judgement {
    if settings.trust == TrustPolicy::All || !is_from_fork(event) {
        return Judgement::Trusted;
    }
    let author = &event.pull_request.author;
    if settings.trust_contributors && author.association.as_deref() == Some(CONTRIBUTOR) {
        return Judgement::Trusted;
    }
    judge_person(settings, author)
}

/// Whether somebody is a member: one by name, by what the forge says of them here, or by what it
/// says when it is asked, since it hides who does not want to be seen as one.
pub(super) fn judge_person(settings: &PullRequestSettings, author: &Author) -> Judgement {
    let named = |user: &String| user.eq_ignore_ascii_case(&author.login);
    let association = author.association.as_deref().unwrap_or_default();
    if settings.trusted_users.iter().any(named) || MEMBERS.contains(&association) {
        Judgement::Trusted
    } else if author.is_bot {
        Judgement::Stranger
    } else {
        Judgement::Ask
    }
}

/// Whether who opened it may not push to the repository that it is for, as far as that shows.
pub(super) fn is_from_fork(event: &PullRequestEvent) -> bool {
    let head = event.pull_request.head.repository.as_ref();
    head.is_none_or(|head| {
        !head
            .full_name
            .eq_ignore_ascii_case(&event.repository.full_name)
    })
}
