//! What the master does about an event.

use serde::{Deserialize, Serialize};

use super::arrival::Head;
use super::change::{self, Change, fits};
use super::model::{
    Check, Comment, Event, PullRequestAction, PullRequestEvent, Push, RepositoryRef,
};
use super::trust::{Judgement, judge, judge_person};
use super::words::{asks_for_build, asks_to_skip};
use crate::config::TrustPolicy;
use crate::forge::ForgeKind;
use crate::plan::{MasterPlan, ProjectPlan};

/// What the master does about an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// For the event itself.
    pub action: Action,
    /// Whether the repositories have to be looked for anew: why.
    pub refresh: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Give Buildbot a change.
    Build(Box<Build>),
    /// Do `then` if `user` may write to the repository of `project`; else `otherwise`.
    Ask {
        /// Name of the project in the plan.
        project: String,
        /// Login.
        user: String,
        /// For who may.
        then: Box<Self>,
        /// For who may not.
        otherwise: Box<Self>,
    },
    /// Keep the change until a member agrees.
    Hold(Box<Build>),
    /// Remember the head, and build nothing.
    Pass {
        /// What is not built.
        build: Box<Build>,
        /// Why, for the log.
        reason: String,
    },
    /// A member agrees to what is held of a pull request, or wants it built once more.
    Approve {
        /// Name of the project in the plan.
        project: String,
        /// The pull request.
        number: u64,
        /// As changes call it.
        branch: String,
        /// Beginning of the only head that is agreed to.
        revision: Option<String>,
        /// Who.
        user: String,
    },
    /// What runs for a branch has no use any more.
    Cancel {
        /// Name of the project in the plan.
        project: String,
        /// As changes call it.
        branch: String,
        /// For people.
        reason: String,
    },
    /// Somebody wants a commit's checks once more.
    Rerun {
        /// Name of the project in the plan.
        project: String,
        /// The commit.
        revision: String,
        /// Who.
        user: String,
        /// Which; nothing means all.
        check: Option<Check>,
    },
    /// Nothing.
    Ignore {
        /// Why, for the log.
        reason: String,
    },
}

/// A change, and what it makes of its branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// For Buildbot.
    pub change: Change,
    /// What the branch is now.
    pub head: Head,
}

impl Action {
    fn ignore(reason: impl Into<String>) -> Self {
        Self::Ignore {
            reason: reason.into(),
        }
    }

    /// The same for something that a member has agreed to.
    #[must_use]
    pub fn agreed(self) -> Self {
        match self {
            Self::Hold(build) | Self::Pass { build, .. } => Self::Build(build),
            Self::Ask { then, .. } => then.agreed(),
            other => other,
        }
    }
}

impl MasterPlan {
    /// What to do about an event of `forge`.
    pub fn decide(&self, forge: ForgeKind, event: &Event) -> Decision {
        let action = self.action(forge, event);
        Decision {
            action,
            refresh: self.refresh(forge, event),
        }
    }

    fn action(&self, forge: ForgeKind, event: &Event) -> Action {
        let in_project = |repository: &RepositoryRef, act: &dyn Fn(&ProjectPlan) -> Action| {
            self.project_of(forge, repository).map_or_else(
                || Action::ignore(format!("{} is no project here", repository.full_name)),
                act,
            )
        };
        match event {
            Event::Push(push) => in_project(&push.repository, &|project| {
                self.pushed(forge, project, push)
            }),
            Event::BranchDeleted { repository, branch } => in_project(repository, &|project| {
                cancel(project, branch, "was deleted")
            }),
            Event::Tag { tag, .. } => Action::ignore(format!("tag {tag}: tags are not built")),
            Event::PullRequest(event) => in_project(&event.repository, &|project| {
                self.pull_request(forge, project, event)
            }),
            Event::MergeGroup {
                repository,
                branch,
                is_over: true,
            } => in_project(repository, &|project| {
                cancel(project, branch, "left the merge queue")
            }),
            Event::MergeGroup { branch, .. } => {
                Action::ignore(format!("the push to {branch} is what is built"))
            }
            Event::Comment(comment) => in_project(&comment.repository, &|project| {
                self.commented(forge, project, comment)
            }),
            Event::Rerun {
                repository,
                revision,
                user,
                check,
            } => in_project(repository, &|project| Action::Rerun {
                project: project.name.to_string(),
                revision: revision.clone(),
                user: user.clone(),
                check: check.clone(),
            }),
            Event::RepositoryChanged { what } => Action::ignore(format!("repository {what}")),
            Event::Installation { what } => Action::ignore(format!("installation: {what}")),
            Event::Ping => Action::ignore("ping: the hook works"),
            Event::Other { name } => Action::ignore(format!("{name}: nothing depends on it")),
        }
    }

    /// Renames and the like change what there is to build; so does another default branch, of
    /// which there is no event on Gitea.
    fn refresh(&self, forge: ForgeKind, event: &Event) -> Option<String> {
        match event {
            Event::RepositoryChanged { what } => Some(what.clone()),
            Event::Installation { what } => Some(format!("installation: {what}")),
            Event::Push(push) => {
                let project = self.project_of(forge, &push.repository)?;
                let repository = project.forge.as_ref()?;
                let said = push.repository.default_branch.as_deref()?;
                if !said.is_empty() && said != project.default_branch {
                    return Some(format!("the default branch of {} is {said}", project.name));
                }
                let name = repository.full_name.as_str();
                (name != push.repository.full_name)
                    .then(|| format!("{name} is called {} now", push.repository.full_name))
            }
            _ => None,
        }
    }

    /// The forge's number counts, so that an event after a rename finds its project; a name alone
    /// may belong to another repository by now.
    fn project_of(&self, forge: ForgeKind, repository: &RepositoryRef) -> Option<&ProjectPlan> {
        self.projects.iter().find(|project| {
            let known = project.forge.as_ref();
            known.is_some_and(|known| known.forge == forge && known.id == repository.id)
        })
    }

    fn pushed(&self, forge: ForgeKind, project: &ProjectPlan, push: &Push) -> Action {
        let branch = push.branch.as_str();
        let decision = self.branch_policy(project).decide(branch);
        if !decision.build && !decision.merge_queue {
            return Action::ignore(format!(
                "branch {branch} of {}: neither the default branch nor one of a rule in `branches`",
                project.name
            ));
        }
        if !fits(branch) {
            return Action::ignore(format!(
                "branch {branch} of {}: its name is too long for Buildbot",
                project.name
            ));
        }
        let build = Box::new(Build {
            change: change::push(forge, project, push),
            head: Head {
                revision: push.after.clone(),
                before: push.before.clone(),
                base: None,
                seconds: None,
            },
        });
        // A merge queue would wait for ever.
        if !decision.merge_queue && asks_to_skip(&push.commit.message) {
            let reason = "its message says to skip it".to_owned();
            return Action::Pass { build, reason };
        }
        Action::Build(build)
    }

    fn pull_request(
        &self,
        forge: ForgeKind,
        project: &ProjectPlan,
        event: &PullRequestEvent,
    ) -> Action {
        let settings = &self.pull_requests;
        let pull_request = &event.pull_request;
        let which = format!("pull request #{} of {}", pull_request.number, project.name);
        let reference = change::reference(forge, pull_request.number);
        match &event.action {
            PullRequestAction::Closed => {
                return Action::Cancel {
                    project: project.name.to_string(),
                    branch: reference,
                    reason: format!("{which} was closed"),
                };
            }
            PullRequestAction::Drafted if !settings.drafts => {
                return Action::Cancel {
                    project: project.name.to_string(),
                    branch: reference,
                    reason: format!("{which} became a draft"),
                };
            }
            PullRequestAction::Drafted => {
                return Action::ignore(format!("{which}: drafts are built as well"));
            }
            PullRequestAction::Other(word) => {
                return Action::ignore(format!("{which}: `{word}` changes no commit"));
            }
            PullRequestAction::Opened
            | PullRequestAction::NewHead
            | PullRequestAction::Retargeted
            | PullRequestAction::Ready => {}
        }
        if pull_request.draft && !settings.drafts {
            return Action::ignore(format!("{which} is a draft"));
        }
        let build = Box::new(Build {
            change: change::pull_request(forge, project, event),
            head: Head {
                revision: pull_request.head.sha.clone(),
                before: event.before.clone(),
                base: Some(pull_request.base.branch.clone()),
                seconds: pull_request.seconds,
            },
        });
        if asks_to_skip(&pull_request.title) {
            let reason = "its title says to skip it".to_owned();
            return Action::Pass { build, reason };
        }
        let author = &pull_request.author.login;
        let stranger = |build: Box<Build>| match settings.trust {
            TrustPolicy::Approve => Action::Hold(build),
            TrustPolicy::All | TrustPolicy::Members => Action::Pass {
                build,
                reason: format!("{author} is no member"),
            },
        };
        match judge(settings, event) {
            Judgement::Trusted => Action::Build(build),
            Judgement::Stranger => stranger(build),
            Judgement::Ask => Action::Ask {
                project: project.name.to_string(),
                user: author.clone(),
                then: Box::new(Action::Build(build.clone())),
                otherwise: Box::new(stranger(build)),
            },
        }
    }

    fn commented(&self, forge: ForgeKind, project: &ProjectPlan, comment: &Comment) -> Action {
        let Some(wish) = asks_for_build(&comment.body) else {
            return Action::ignore("a comment that asks for nothing");
        };
        let user = &comment.author.login;
        let approve = Action::Approve {
            project: project.name.to_string(),
            number: comment.number,
            branch: change::reference(forge, comment.number),
            revision: wish.revision.map(str::to_owned),
            user: user.clone(),
        };
        let stranger = Action::ignore(format!(
            "`/build` below pull request #{} of {}: {user} is no member",
            comment.number, project.name
        ));
        match judge_person(&self.pull_requests, &comment.author) {
            Judgement::Trusted => approve,
            Judgement::Stranger => stranger,
            Judgement::Ask => Action::Ask {
                project: project.name.to_string(),
                user: user.clone(),
                then: Box::new(approve),
                otherwise: Box::new(stranger),
            },
        }
    }
}

fn cancel(project: &ProjectPlan, branch: &str, what: &str) -> Action {
    Action::Cancel {
        project: project.name.to_string(),
        branch: branch.to_owned(),
        reason: format!("branch {branch} of {} {what}", project.name),
    }
}
