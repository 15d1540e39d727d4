use serde::Serialize;

use super::{ForgeError, ForgeKind, LeftOut};
use crate::plan::Notice;

/// What a forge lets us do, and what is missing.
#[derive(Debug, Clone, Serialize)]
pub struct Examination {
    /// Which.
    pub forge: ForgeKind,
    /// Where.
    pub url: String,
    /// Who we are there, in words; none if that could not be found out.
    pub token: Option<String>,
    /// What is wrong with the forge as a whole.
    pub findings: Vec<Finding>,
    /// By name.
    pub projects: Vec<ProjectExamination>,
    /// Repositories that match the filters and are not built.
    pub left_out: Vec<LeftOut>,
}

/// The same for one project.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectExamination {
    /// `<owner>/<name>`.
    pub full_name: String,
    /// What lets us see it.
    pub token: String,
    /// Where its events go to; none if nowhere.
    pub hook: Option<String>,
    /// The newest event, where the forge tells of that.
    pub last_delivery: Option<Delivery>,
    /// Our newest status on its default branch.
    pub last_status: Option<ReportedStatus>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// An event that a forge sent us.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// As the forge writes it.
    pub at: String,
    /// What it was about, e.g. `push`.
    pub event: String,
    /// The HTTP status of our answer; 0 if there was none.
    pub answer: u16,
}

/// A status that a forge has of us.
#[derive(Debug, Clone, Serialize)]
pub struct ReportedStatus {
    /// E.g. `buildbot/nix-build`.
    pub context: String,
    /// In the forge's word.
    pub state: String,
    /// As the forge writes it.
    pub at: String,
}

/// Something that is wrong or could be better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What is so, and what does not work because of it.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something does not work.
    Problem,
    /// Everything works, and could be better.
    Advice,
}

impl Finding {
    pub(super) fn problem(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Problem,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }

    pub(super) fn advice(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Advice,
            ..Self::problem(text, hint)
        }
    }
}

impl From<ForgeError> for Finding {
    fn from(error: ForgeError) -> Self {
        Self {
            severity: Severity::Problem,
            text: error.to_string(),
            hint: error.hint,
        }
    }
}

impl From<&Notice> for Finding {
    fn from(notice: &Notice) -> Self {
        Self {
            severity: Severity::Problem,
            text: format!("{}: {}", notice.about, notice.text),
            hint: None,
        }
    }
}

impl Examination {
    /// Whether something does not work.
    pub fn has_problems(&self) -> bool {
        let of_projects = self.projects.iter().flat_map(|project| &project.findings);
        self.findings
            .iter()
            .chain(of_projects)
            .any(|finding| finding.severity == Severity::Problem)
    }
}

/// What the statuses of this project begin with.
pub(super) const CONTEXTS: &str = "buildbot/";

/// What is wrong with the hook of a repository that delivers `missing` events too few.
pub(super) fn hook_findings(
    hook: Option<&super::hook::ExistingHook>,
    wanted: &[&str],
    url: &str,
) -> Vec<Finding> {
    let Some(hook) = hook else {
        return vec![Finding::problem(
            format!("it has no webhook to `{url}`: pushes and pull requests are not noticed"),
            "the next discovery makes one; press `Update projects`, or restart the master",
        )];
    };
    let mut findings = Vec::new();
    if !hook.is_active {
        findings.push(Finding::problem(
            "its webhook is switched off: pushes and pull requests are not noticed",
            "the next discovery switches it on",
        ));
    }
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|event| !hook.events.iter().any(|other| other == event))
        .collect();
    if !missing.is_empty() {
        findings.push(Finding::problem(
            format!("its webhook does not deliver {}", missing.join(", ")),
            "the next discovery adds them",
        ));
    }
    findings
}
