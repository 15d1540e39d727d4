//! What forges say and are told, as frozen records.

use buildbot_nix_core::error::Error;
use buildbot_nix_core::forge::{self, Annotation, AnnotationLevel, CheckAction, Conclusion};
use pyo3::prelude::*;

use crate::errors::CoreError;

/// Both ways between an enum of the core and its twin in Python.
macro_rules! twin {
    ($name:ident: $($variant:ident),+) => {
        #[pyclass(module = "buildbot_nix._native", frozen, eq, hash, from_py_object)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($variant),+ }

        impl From<$name> for forge::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }

        impl From<forge::$name> for $name {
            fn from(value: forge::$name) -> Self {
                match value { $(forge::$name::$variant => Self::$variant),+ }
            }
        }
    };
}

twin!(ForgeKind: Github, Gitea);
twin!(StatusState: Pending, Success, Warning, Failure, Error);
twin!(Permission: Nothing, Read, Write, Admin);

#[pymethods]
impl ForgeKind {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "PyO3 passes no other `self`"
    )]
    #[getter]
    fn word(&self) -> &'static str {
        forge::ForgeKind::from(*self).as_str()
    }
}

/// A repository on a forge.
#[pyclass(module = "buildbot_nix._native", frozen, eq, from_py_object)]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ForgeRepository(pub(crate) forge::Repository);

#[pymethods]
impl ForgeRepository {
    #[staticmethod]
    fn restore(stored: &str) -> PyResult<Self> {
        let repository = serde_json::from_str(stored).map_err(|error| {
            let message = format!("`{stored}` is no repository that was stored: {error}");
            PyErr::from(CoreError::from(Error::Config(message)))
        })?;
        Ok(Self(repository))
    }

    fn stored(&self) -> String {
        // A table of texts, numbers and lists, which JSON has.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    #[getter]
    fn forge(&self) -> ForgeKind {
        self.0.forge.into()
    }

    #[getter]
    fn id(&self) -> u64 {
        self.0.id
    }

    #[getter]
    fn identity(&self) -> String {
        self.0.identity()
    }

    #[getter]
    fn full_name(&self) -> &str {
        self.0.full_name.as_str()
    }

    #[getter]
    fn owner(&self) -> &str {
        self.0.full_name.owner()
    }

    #[getter]
    fn html_url(&self) -> &str {
        &self.0.html_url
    }

    #[getter]
    fn clone_url(&self) -> &str {
        &self.0.clone_url
    }

    #[getter]
    fn ssh_url(&self) -> &str {
        &self.0.ssh_url
    }

    #[getter]
    fn default_branch(&self) -> &str {
        &self.0.default_branch
    }

    #[getter]
    fn private(&self) -> bool {
        self.0.private
    }

    #[getter]
    fn installation(&self) -> Option<u64> {
        self.0.installation
    }

    fn __repr__(&self) -> String {
        format!("<ForgeRepository {}>", self.0.identity())
    }
}

/// What a forge said about which repositories are to be built.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct Discovery(pub(crate) forge::Discovery);

#[pymethods]
impl Discovery {
    fn with_known(&self, known: Vec<ForgeRepository>) -> Vec<ForgeRepository> {
        let known: Vec<forge::Repository> = known.into_iter().map(|row| row.0).collect();
        let repositories = self.0.with_known(&known);
        repositories.into_iter().map(ForgeRepository).collect()
    }

    #[getter]
    fn left_out(&self) -> Vec<(String, String)> {
        let left_out = self.0.left_out.iter();
        left_out
            .map(|row| (row.full_name.clone(), row.reason.clone()))
            .collect()
    }

    #[getter]
    fn notices(&self) -> Vec<String> {
        let notices = self.0.notices.iter();
        notices
            .map(|notice| format!("{}: {}", notice.about, notice.text))
            .collect()
    }
}

/// What became of a webhook.
#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct HookOutcome {
    identity: String,
    changed: bool,
    error: Option<String>,
}

impl From<forge::HookOutcome> for HookOutcome {
    fn from(outcome: forge::HookOutcome) -> Self {
        Self {
            identity: outcome.repository.identity(),
            changed: match outcome.result {
                Ok(
                    forge::HookChange::Created
                    | forge::HookChange::Updated
                    | forge::HookChange::Removed,
                ) => true,
                Ok(forge::HookChange::Unchanged) | Err(_) => false,
            },
            error: outcome.result.err().map(|error| match &error.hint {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            }),
        }
    }
}

/// A pull request as its forge describes it now.
#[pyclass(module = "buildbot_nix._native", frozen, get_all, from_py_object)]
#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "questions of their own, not states of one thing"
)]
pub(crate) struct PullRequest {
    number: u64,
    title: String,
    html_url: String,
    is_open: bool,
    is_draft: bool,
    is_from_fork: bool,
    author: String,
    author_is_bot: bool,
    head_sha: String,
    head_branch: String,
    head_repository: Option<String>,
    base_branch: String,
    base_sha: String,
}

impl PullRequest {
    pub(crate) fn new(pull: forge::PullRequest, repository: &forge::Repository) -> Self {
        Self {
            is_from_fork: pull.is_from_fork_of(&repository.full_name),
            number: pull.number,
            title: pull.title,
            html_url: pull.html_url,
            is_open: pull.is_open,
            is_draft: pull.is_draft,
            author: pull.author,
            author_is_bot: pull.author_is_bot,
            head_sha: pull.head_sha,
            head_branch: pull.head_branch,
            head_repository: pull.head_repository.map(|name| name.to_string()),
            base_branch: pull.base_branch,
            base_sha: pull.base_sha,
        }
    }

    /// What this was made of.
    pub(crate) fn described(self) -> Result<forge::PullRequest, Error> {
        let head = self.head_repository.map(|name| name.parse()).transpose();
        let head_repository =
            head.map_err(|error: forge::FullNameError| Error::Config(error.to_string()))?;
        Ok(forge::PullRequest {
            number: self.number,
            title: self.title,
            html_url: self.html_url,
            is_open: self.is_open,
            is_draft: self.is_draft,
            author: self.author,
            author_is_bot: self.author_is_bot,
            head_sha: self.head_sha,
            head_branch: self.head_branch,
            head_repository,
            base_branch: self.base_branch,
            base_sha: self.base_sha,
        })
    }
}

/// What git needs to fetch one repository.
#[pyclass(module = "buildbot_nix._native", frozen, get_all)]
pub(crate) struct GitCredentials {
    url: String,
    user: String,
    password: String,
    expires_at: Option<i64>,
    is_limited: bool,
}

impl From<forge::GitCredentials> for GitCredentials {
    fn from(credentials: forge::GitCredentials) -> Self {
        Self {
            url: credentials.url,
            user: credentials.user,
            password: credentials.password.expose().clone(),
            expires_at: credentials.expires_at,
            is_limited: credentials.is_limited,
        }
    }
}

/// What a check run is to be.
#[pyclass(module = "buildbot_nix._native", frozen)]
pub(crate) struct CheckRun(pub(crate) forge::CheckRun);

type AnnotationRow = (String, u32, u32, String, String);

#[pymethods]
impl CheckRun {
    #[new]
    #[pyo3(signature = (
        *, name, status, details_url, external_id, title=String::new(), summary=String::new(),
        text=String::new(), annotations=Vec::new(), actions=Vec::new(),
    ))]
    #[expect(clippy::too_many_arguments, reason = "each has its name in Python")]
    fn new(
        name: String,
        status: &str,
        details_url: String,
        external_id: String,
        title: String,
        summary: String,
        text: String,
        annotations: Vec<AnnotationRow>,
        actions: Vec<(String, String, String)>,
    ) -> PyResult<Self> {
        let annotations: Result<Vec<Annotation>, Error> =
            annotations.into_iter().map(annotation).collect();
        let output = forge::CheckOutput {
            title,
            summary,
            text,
            annotations: annotations.map_err(CoreError::from)?,
        };
        let actions = actions.into_iter();
        Ok(Self(forge::CheckRun {
            name,
            phase: phase(status).map_err(CoreError::from)?,
            details_url,
            external_id,
            output: (!output.title.is_empty()).then_some(output),
            actions: actions
                .map(|(label, description, identifier)| CheckAction {
                    label,
                    description,
                    identifier,
                })
                .collect(),
        }))
    }
}

fn phase(word: &str) -> Result<forge::CheckPhase, Error> {
    let conclusion = match word {
        "queued" => return Ok(forge::CheckPhase::Queued),
        "in_progress" => return Ok(forge::CheckPhase::InProgress),
        "success" => Conclusion::Success,
        "failure" => Conclusion::Failure,
        "neutral" => Conclusion::Neutral,
        "cancelled" => Conclusion::Cancelled,
        "skipped" => Conclusion::Skipped,
        "timed_out" => Conclusion::TimedOut,
        "action_required" => Conclusion::ActionRequired,
        _ => return Err(Error::Config(format!("a check run cannot be `{word}`"))),
    };
    Ok(forge::CheckPhase::Completed(conclusion))
}

fn annotation(row: AnnotationRow) -> Result<Annotation, Error> {
    let (path, start_line, end_line, level, message) = row;
    let level = match level.as_str() {
        "notice" => AnnotationLevel::Notice,
        "warning" => AnnotationLevel::Warning,
        "failure" => AnnotationLevel::Failure,
        _ => return Err(Error::Config(format!("an annotation cannot be `{level}`"))),
    };
    Ok(Annotation {
        path,
        start_line,
        end_line,
        level,
        message,
        title: String::new(),
    })
}
