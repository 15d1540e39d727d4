use crate::run::{Outcome, Unbuilt};

use super::html::escape;

/// Name of the step of an attribute that did not evaluate.
const EVALUATION_STEP: &str = "Nix evaluation";
/// Name of the step of an attribute with a failed dependency.
const DEPENDENCY_STEP: &str = "Dependency failed";
/// Name of the step of an attribute that failed before.
const FAILED_BEFORE_STEP: &str = "Cached failure";

/// How the history of an attribute tells that there was no build of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnbuiltText {
    /// Name of the step.
    pub step: &'static str,
    /// One line.
    pub text: String,
    /// Name of the log.
    pub log_name: &'static str,
    /// Whether the log is HTML.
    pub is_html: bool,
    /// What the log says.
    pub log: String,
}

impl UnbuiltText {
    fn plain(step: &'static str, text: String, log: String) -> Self {
        Self {
            step,
            text,
            log_name: "nix_error",
            is_html: false,
            log,
        }
    }
}

/// Tells of an attribute that ended without a build.
pub fn unbuilt(unbuilt: &Unbuilt) -> UnbuiltText {
    let attr = &unbuilt.attribute.attr;
    match &unbuilt.attribute.outcome {
        Outcome::DependencyFailed { cause } => {
            let log = match &unbuilt.cause_url {
                Some(url) => format!("`{attr}` needs `{cause}`, which failed:\n{url}\n"),
                None => format!("`{attr}` needs `{cause}`, which failed.\n"),
            };
            UnbuiltText::plain(DEPENDENCY_STEP, format!("`{cause}` failed"), log)
        }
        Outcome::FailedBefore { when, url } => UnbuiltText {
            step: FAILED_BEFORE_STEP,
            text: format!("failed before, at {when}"),
            log_name: "cached_failure_info",
            is_html: true,
            log: format!(
                "<p><code>{}</code> failed at {}, and was not tried again: \
                 <a href=\"{url}\">{url}</a></p>\n\
                 <p>Rebuild this to have it built.</p>\n",
                escape(attr),
                escape(when),
                url = escape(url),
            ),
        },
        outcome => {
            let log = match outcome {
                Outcome::EvaluationFailed { error } => {
                    format!("`{attr}` failed to evaluate:\n{error}\n")
                }
                _ => String::new(),
            };
            UnbuiltText::plain(EVALUATION_STEP, "failed to evaluate".to_owned(), log)
        }
    }
}
