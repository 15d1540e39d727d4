use crate::machine_line::Line;

/// What an evaluation has to say while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A machine line, from [`Line::Start`] to [`Line::Done`]. What ends the evaluation as a whole
    /// is no event but the error of [`super::run`].
    Line(Line),
    /// What the evaluator said beside its results, e.g. `builtins.trace`. For people, may have
    /// several lines, without the last newline.
    Text(String),
    /// How far it is. Comes at most a few times a second.
    Progress {
        /// Attributes known so far, done or not.
        known: u64,
        /// Attributes that are done: jobs, failures and sets that were looked into.
        finished: u64,
    },
}

/// What came of an evaluation that went to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Number of [`Line::Job`] lines.
    pub jobs: u64,
    /// Number of [`Line::Failed`] lines.
    pub failed: u64,
    /// Number of [`Line::Warning`] lines.
    pub warnings: u64,
}
