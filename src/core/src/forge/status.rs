use serde::{Deserialize, Serialize};

/// What a commit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusState {
    /// Not over.
    Pending,
    /// Good.
    Success,
    /// Good, with something to look at. Only Gitea has it; for others it is a success.
    Warning,
    /// Bad, by the fault of what was built.
    Failure,
    /// Bad, by the fault of what builds, or stopped.
    Error,
}

/// One status of one commit. A newer one of the same context replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What reports, e.g. `buildbot/nix-eval`.
    pub context: String,
    /// How it is.
    pub state: StatusState,
    /// One line for people; cut at [`DESCRIPTION_LENGTH_MAX`].
    pub description: String,
    /// Where to read more.
    pub target_url: String,
}

/// Characters of a description; GitHub refuses more.
pub const DESCRIPTION_LENGTH_MAX: usize = 140;

/// `text` with at most `most` characters, an ellipsis as the last of them where it was cut.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// A check run, GitHub's richer kind of status. What is `None` or empty stays as it is on update.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckRun {
    /// What reports; as [`Status::context`].
    pub name: String,
    /// How far it is.
    pub phase: CheckPhase,
    /// Where to read more.
    pub details_url: String,
    /// Our own name for it, which comes back with events such as "re-run".
    pub external_id: String,
    /// What its page says.
    pub output: Option<CheckOutput>,
    /// Buttons, at most three.
    pub actions: Vec<CheckAction>,
}

/// How far a check run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckPhase {
    /// Waits.
    #[default]
    Queued,
    /// Runs.
    InProgress,
    /// Over.
    Completed(Conclusion),
}

/// How a check run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Good.
    Success,
    /// Bad.
    Failure,
    /// Neither; does not block a merge.
    Neutral,
    /// Stopped.
    Cancelled,
    /// Nothing was done; does not block a merge.
    Skipped,
    /// Took too long.
    TimedOut,
    /// A person has to do something, e.g. approve.
    ActionRequired,
}

/// The page of a check run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckOutput {
    /// One line.
    pub title: String,
    /// Markdown; cut at 65,535 characters.
    pub summary: String,
    /// More Markdown, or empty; cut alike.
    pub text: String,
    /// Remarks on lines of files. Sent fifty at a time.
    pub annotations: Vec<Annotation>,
}

/// A remark on lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// Relative to the repository.
    pub path: String,
    /// Counted from one.
    pub start_line: u32,
    /// Not before `start_line`.
    pub end_line: u32,
    /// How bad.
    #[serde(rename = "annotation_level")]
    pub level: AnnotationLevel,
    /// What is wrong.
    pub message: String,
    /// One line, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}

/// How bad what an annotation is about is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnnotationLevel {
    /// For information.
    Notice,
    /// Should be looked at.
    Warning,
    /// Is why the run failed.
    Failure,
}

/// A button of a check run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckAction {
    /// On the button; cut at 20 characters.
    pub label: String,
    /// What it does; cut at 40.
    pub description: String,
    /// What the event about it says; at most 20.
    pub identifier: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("short", 5, "short")]
    #[case("longer", 5, "long…")]
    #[case("äöüß!?", 4, "äöü…")]
    fn texts_are_cut_by_characters(#[case] text: &str, #[case] most: usize, #[case] shown: &str) {
        assert_eq!(cut(text, most), shown);
    }
}
