//! Payloads to events.

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::model::{
    Author, Check, Comment, Commit, Event, PullRequest, PullRequestAction, PullRequestEvent, Push,
    RepositoryRef, Side,
};
use super::payload;
use crate::forge::ForgeKind;

/// A body that is not what its event should look like.
#[derive(Debug, thiserror::Error)]
#[error("it is no `{event}` event as {forge} sends it: {reason}")]
pub struct Malformed {
    event: String,
    forge: &'static str,
    reason: serde_json::Error,
}

/// Changes of repositories after which discovery would find something else.
const REPOSITORY_EVENTS: [&str; 3] = ["repository", "public", "installation_target"];
const INSTALLATION_EVENTS: [&str; 2] = ["installation", "installation_repositories"];
/// How Gitea marks a draft in its title (setting `WORK_IN_PROGRESS_PREFIXES`).
const DRAFT_PREFIXES: [&str; 2] = ["wip:", "[wip]"];

/// Reads `body`, which the forge sent as event `name`.
pub(super) fn parse(kind: ForgeKind, name: &str, body: &[u8]) -> Result<Event, Malformed> {
    let reader = Reader { kind, name, body };
    match name {
        "push" => reader.push(),
        "delete" => reader.delete(),
        "create" => Ok(other(name)),
        "pull_request" | "pull_request_sync" => reader.pull_request(),
        "merge_group" => reader.merge_group(),
        "issue_comment" | "pull_request_comment" => reader.comment(),
        "check_run" => reader.check_run(),
        "check_suite" => reader.check_suite(),
        "ping" => Ok(Event::Ping),
        _ if REPOSITORY_EVENTS.contains(&name) => reader.repository(),
        _ if INSTALLATION_EVENTS.contains(&name) => {
            let what = reader.read::<payload::Plain>()?.action.unwrap_or_default();
            Ok(Event::Installation { what })
        }
        _ => Ok(other(name)),
    }
}

fn other(name: &str) -> Event {
    Event::Other {
        name: name.to_owned(),
    }
}

struct Reader<'body> {
    kind: ForgeKind,
    name: &'body str,
    body: &'body [u8],
}

impl Reader<'_> {
    fn read<Payload: DeserializeOwned>(&self) -> Result<Payload, Malformed> {
        serde_json::from_slice(self.body).map_err(|reason| Malformed {
            event: self.name.to_owned(),
            forge: self.kind.title(),
            reason,
        })
    }

    fn push(&self) -> Result<Event, Malformed> {
        let push: payload::Push = self.read()?;
        let repository = repository(push.repository);
        if let Some(tag) = push.reference.strip_prefix("refs/tags/") {
            let tag = tag.to_owned();
            return Ok(Event::Tag { repository, tag });
        }
        let Some(branch) = push.reference.strip_prefix("refs/heads/") else {
            return Ok(other(&format!("push to {}", push.reference)));
        };
        let branch = branch.to_owned();
        if payload::is_no_commit(&push.after) {
            return Ok(Event::BranchDeleted { repository, branch });
        }
        let mut commits = push.commits;
        let head = push.head_commit.or_else(|| {
            let at = commits.iter().position(|commit| commit.id == push.after)?;
            Some(commits.swap_remove(at))
        });
        let mut files: Vec<String> = commits.into_iter().flat_map(files).collect();
        let mut commit = head.map(commit).unwrap_or_default();
        files.append(&mut commit.files);
        files.sort();
        files.dedup();
        commit.files = files;
        if commit.author.is_empty() {
            commit.author = login(push.sender);
        }
        Ok(Event::Push(Box::new(Push {
            repository,
            branch,
            before: (!payload::is_no_commit(&push.before)).then_some(push.before),
            after: push.after,
            commit,
        })))
    }

    /// Both forges also send it when GitHub says `deleted` in a push; once is enough either way.
    fn delete(&self) -> Result<Event, Malformed> {
        let deleted: payload::Ref = self.read()?;
        let repository = repository(deleted.repository);
        Ok(match deleted.kind.as_str() {
            "branch" => Event::BranchDeleted {
                repository,
                branch: deleted.name,
            },
            "tag" => Event::Tag {
                repository,
                tag: deleted.name,
            },
            _ => other(self.name),
        })
    }

    fn pull_request(&self) -> Result<Event, Malformed> {
        let event: payload::PullRequestEvent = self.read()?;
        let pull_request = pull_request(event.number, event.pull_request);
        let draft = pull_request.draft;
        Ok(Event::PullRequest(Box::new(PullRequestEvent {
            repository: repository(event.repository),
            action: action(event.action, event.changes.as_ref(), draft),
            pull_request,
            sender: login(event.sender),
            before: event.before.filter(|hash| !payload::is_no_commit(hash)),
        })))
    }

    fn merge_group(&self) -> Result<Event, Malformed> {
        let event: payload::MergeGroupEvent = self.read()?;
        let head = event.merge_group.head_ref;
        let branch = head.strip_prefix("refs/heads/").unwrap_or(&head);
        Ok(Event::MergeGroup {
            repository: repository(event.repository),
            branch: branch.to_owned(),
            is_over: event.action == "destroyed",
        })
    }

    fn comment(&self) -> Result<Event, Malformed> {
        let event: payload::CommentEvent = self.read()?;
        let is_new = event.action == "created";
        if !is_new || !(event.is_pull || event.issue.pull_request.is_some()) {
            return Ok(other(&format!("{} ({})", self.name, event.action)));
        }
        let payload::Comment {
            body,
            user,
            author_association,
        } = event.comment;
        Ok(Event::Comment(Box::new(Comment {
            repository: repository(event.repository),
            number: event.issue.number,
            author: author(user, author_association),
            body,
        })))
    }

    fn check_run(&self) -> Result<Event, Malformed> {
        let event: payload::CheckRunEvent = self.read()?;
        if event.action != "rerequested" {
            return Ok(other(&format!("{} ({})", self.name, event.action)));
        }
        Ok(Event::Rerun {
            repository: repository(event.repository),
            revision: event.check_run.head_sha,
            user: login(event.sender),
            check: Some(Check {
                name: event.check_run.name,
                external_id: event.check_run.external_id.filter(|id| !id.is_empty()),
            }),
        })
    }

    fn check_suite(&self) -> Result<Event, Malformed> {
        let event: payload::CheckSuiteEvent = self.read()?;
        if event.action != "rerequested" {
            return Ok(other(&format!("{} ({})", self.name, event.action)));
        }
        Ok(Event::Rerun {
            repository: repository(event.repository),
            revision: event.check_suite.head_sha,
            user: login(event.sender),
            check: None,
        })
    }

    fn repository(&self) -> Result<Event, Malformed> {
        let event: payload::Plain = self.read()?;
        let what = event.action.unwrap_or_else(|| self.name.to_owned());
        let whose = event.repository.map(|repository| repository.full_name);
        Ok(Event::RepositoryChanged {
            what: match whose {
                Some(whose) => format!("{whose} {what}"),
                None => what,
            },
        })
    }
}

/// What the forges' words for it mean. Gitea says `synchronized` and tells the end of a draft only
/// by what the title was.
fn action(word: String, changes: Option<&payload::Changes>, draft: bool) -> PullRequestAction {
    match word.as_str() {
        "opened" | "reopened" => PullRequestAction::Opened,
        "synchronize" | "synchronized" => PullRequestAction::NewHead,
        "ready_for_review" => PullRequestAction::Ready,
        "converted_to_draft" => PullRequestAction::Drafted,
        "closed" => PullRequestAction::Closed,
        "edited" => match changes {
            Some(changes) if changes.base.is_some() || changes.reference.is_some() => {
                PullRequestAction::Retargeted
            }
            Some(payload::Changes {
                title: Some(title), ..
            }) if !draft && says_draft(&title.from) => PullRequestAction::Ready,
            _ => PullRequestAction::Other(word),
        },
        _ => PullRequestAction::Other(word),
    }
}

fn says_draft(title: &str) -> bool {
    let title = title.trim_start().to_lowercase();
    DRAFT_PREFIXES
        .iter()
        .any(|prefix| title.starts_with(prefix))
}

fn repository(payload: payload::Repository) -> RepositoryRef {
    let owner = payload.owner.and_then(|owner| owner.login);
    let before_slash = payload.full_name.split('/').next().unwrap_or_default();
    RepositoryRef {
        id: payload.id,
        owner: owner.unwrap_or_else(|| before_slash.to_owned()),
        name: payload.name,
        full_name: payload.full_name,
        html_url: payload.html_url,
        ssh_url: payload.ssh_url,
        default_branch: payload.default_branch,
    }
}

fn pull_request(number: u64, payload: payload::PullRequest) -> PullRequest {
    PullRequest {
        number,
        id: payload.id,
        title: payload.title,
        body: payload.body.unwrap_or_default(),
        url: payload.html_url,
        draft: payload.draft,
        author: author(payload.user, payload.author_association),
        head: side(payload.head),
        base: side(payload.base),
        commits: payload.commits,
        seconds: seconds(payload.updated_at.as_deref()),
    }
}

fn side(payload: payload::Side) -> Side {
    Side {
        branch: payload.branch,
        sha: payload.sha,
        repository: payload.repo.map(repository),
    }
}

fn author(user: Option<payload::User>, association: Option<String>) -> Author {
    let is_bot = user.as_ref().and_then(|user| user.kind.as_deref()) == Some("Bot");
    Author {
        login: login(user),
        is_bot,
        association,
    }
}

/// GitHub calls who deleted their account `ghost`.
fn login(user: Option<payload::User>) -> String {
    let login = user.and_then(|user| user.login);
    login.unwrap_or_else(|| "ghost".to_owned())
}

fn commit(payload: payload::Commit) -> Commit {
    Commit {
        author: payload.author.as_ref().map(person).unwrap_or_default(),
        committer: payload.committer.as_ref().map(person),
        seconds: seconds(payload.timestamp.as_deref()),
        message: payload.message.clone(),
        url: payload.url.clone().unwrap_or_default(),
        files: files(payload),
    }
}

fn files(payload: payload::Commit) -> Vec<String> {
    [payload.added, payload.modified, payload.removed].concat()
}

fn person(payload: &payload::Person) -> String {
    let name = payload.name.as_deref().unwrap_or_default();
    match payload.email.as_deref() {
        Some(email) if !email.is_empty() => format!("{name} <{email}>"),
        _ => name.to_owned(),
    }
}

fn seconds(text: Option<&str>) -> Option<i64> {
    let time: Timestamp = text?.parse().ok()?;
    Some(time.as_second())
}
