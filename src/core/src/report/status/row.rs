use std::fmt::Write as _;

use nix_derivation::{HashAlgorithm, hash_bytes};

use crate::config::StatusSettings;
use crate::forge::{CheckOutput, CheckRun, Status};
use crate::outbox::Urgency;

use super::page::Page;
use super::{Standing, State};

/// Longest context in bytes. Forges keep them in columns of that size.
const CONTEXT_MAX: usize = 255;
/// Bytes of a digest that stand for what was cut off.
const DIGEST_LENGTH: usize = 12;

/// How the statuses of a project are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPolicy {
    /// What all contexts begin with, before the slash.
    pub prefix: String,
    /// Attributes of one commit that have a status of their own.
    pub limit: usize,
    /// Whether there are pages to be shown with them: GitHub's check runs have some.
    pub with_pages: bool,
}

impl StatusPolicy {
    /// What the settings say. `with_pages` is for the forge of a project.
    pub fn new(settings: &StatusSettings, with_pages: bool) -> Self {
        let limit = usize::try_from(settings.failed_build_report_limit);
        Self {
            prefix: settings.context_prefix.clone(),
            limit: limit.unwrap_or(usize::MAX),
            with_pages,
        }
    }

    /// The context of the evaluation.
    pub fn evaluation(&self) -> String {
        format!("{}/nix-eval", self.prefix)
    }

    /// The context of all builds.
    pub fn builds(&self) -> String {
        format!("{}/nix-build", self.prefix)
    }

    /// The context of one attribute, by the name of its virtual builder.
    pub fn attribute(&self, name: &str) -> String {
        fitting(format!("{}/nix-build {name}", self.prefix))
    }
}

/// `context`, the end of a long one replaced by a digest of it.
fn fitting(context: String) -> String {
    if context.len() <= CONTEXT_MAX {
        return context;
    }
    let hash = hash_bytes(HashAlgorithm::Sha256, context.as_bytes());
    let mut digest = String::new();
    for byte in hash.digest_as_bytes().iter().take(DIGEST_LENGTH / 2) {
        let _ = write!(digest, "{byte:02x}");
    }
    let room = CONTEXT_MAX - DIGEST_LENGTH - 1;
    let end = (0..=room).rev().find(|end| context.is_char_boundary(*end));
    let head = context.get(..end.unwrap_or(0)).unwrap_or_default();
    format!("{head}~{digest}")
}

/// Stands for a run where there is none yet.
pub(super) const NO_RUN: u64 = 0;

/// What a status is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Rises from one run or rebuild to the next, and stays when one is begun once more.
    pub run: u64,
    /// The build to ask for, should somebody want it again; 0 before there is one.
    pub build: u64,
    /// Its page.
    pub url: String,
}

/// One status of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRow {
    /// What reports.
    pub context: String,
    /// How it is.
    pub state: State,
    /// One line for people.
    pub description: String,
    /// What it is of, and where to read more.
    pub cause: Cause,
    /// What its page says, where forges have such pages.
    pub page: Option<Page>,
    /// What the builds come to; of the status of all builds.
    pub standing: Option<Standing>,
}

impl StatusRow {
    /// As a commit status.
    pub fn as_status(&self) -> Status {
        Status {
            context: self.context.clone(),
            state: self.state.of_status(),
            description: self.description.clone(),
            target_url: self.cause.url.clone(),
        }
    }

    /// As a check run.
    pub fn as_check_run(&self) -> CheckRun {
        let (summary, annotations) = match self.page.clone() {
            Some(page) => (page.summary, page.annotations),
            // There has to be one.
            None => (self.description.clone(), Vec::new()),
        };
        CheckRun {
            name: self.context.clone(),
            phase: self.state.of_check_run(),
            details_url: self.cause.url.clone(),
            external_id: match self.cause.build {
                0 => String::new(),
                build => build.to_string(),
            },
            output: Some(CheckOutput {
                title: self.description.clone(),
                summary,
                text: String::new(),
                annotations,
            }),
            actions: Vec::new(),
        }
    }

    /// Whether it is of an evaluation or of all builds, and not of a single attribute.
    pub(super) fn is_phase(&self) -> bool {
        is_phase(&self.context)
    }
}

fn is_phase(context: &str) -> bool {
    // No prefix has a blank.
    !context.contains(' ')
}

/// Which statuses are sent first.
pub fn urgency(context: &str, state: State) -> Urgency {
    match (state, is_phase(context)) {
        // Or a commit would look all good between the end of its evaluation and this.
        (State::Pending, true) if context.ends_with("/nix-build") => Urgency::Verdict,
        (State::Pending, _) => Urgency::Progress,
        (_, true) => Urgency::Verdict,
        (_, false) => Urgency::Detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(prefix: &str) -> StatusPolicy {
        StatusPolicy {
            prefix: prefix.to_owned(),
            limit: 47,
            with_pages: false,
        }
    }

    #[test]
    fn contexts_are_the_predecessors() {
        let policy = policy("buildbot");
        assert_eq!(policy.evaluation(), "buildbot/nix-eval");
        assert_eq!(policy.builds(), "buildbot/nix-build");
        let name = "github:team/site#checks.x86_64-linux.a";
        let context = "buildbot/nix-build github:team/site#checks.x86_64-linux.a";
        assert_eq!(policy.attribute(name), context);
    }

    #[test]
    fn long_contexts_are_cut_and_stay_apart() {
        let policy = policy("buildbot");
        let long = |end: &str| policy.attribute(&format!("{}{end}", "ä".repeat(200)));
        assert!(long("a").len() <= CONTEXT_MAX);
        assert!(long("a").starts_with("buildbot/nix-build ää"));
        assert_ne!(long("a"), long("b"));
        assert_eq!(long("a"), long("a"));
    }
}
