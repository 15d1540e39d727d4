use crate::run::{Outcome, Unbuilt};

/// Name of the step of an attribute that did not evaluate.
const EVALUATION_STEP: &str = "Nix evaluation";
/// Name of the step of an attribute with a failed dependency.
const DEPENDENCY_STEP: &str = "Dependency failed";

/// How the history of an attribute tells that there was no build of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnbuiltText {
    /// Name of the step.
    pub step: &'static str,
    /// One line.
    pub text: String,
    /// What the log says.
    pub log: String,
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
            UnbuiltText {
                step: DEPENDENCY_STEP,
                text: format!("`{cause}` failed"),
                log,
            }
        }
        outcome => UnbuiltText {
            step: EVALUATION_STEP,
            text: "failed to evaluate".to_owned(),
            log: match outcome {
                Outcome::EvaluationFailed { error } => {
                    format!("`{attr}` failed to evaluate:\n{error}\n")
                }
                _ => String::new(),
            },
        },
    }
}
