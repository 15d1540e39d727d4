use std::fmt;
use std::time::Duration;

use crate::machine_line::Line;
use crate::nix::AttrPath;

/// What an evaluation has to say while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A machine line, from [`Line::Start`] to [`Line::Done`]. What ends the evaluation as a whole
    /// is no event but the error of [`super::run`].
    Line(Line),
    /// What the evaluator said beside its results, e.g. `builtins.trace`. For people, may have
    /// several lines, without the last newline.
    Text(String),
    /// Nothing more is known now: whoever holds lines back should let them go.
    Pause,
    /// How far it is. Comes a few times a second.
    Progress(Progress),
    /// What an attribute took. Its own line may come earlier or later; a set has none.
    Took {
        /// The attribute, as its line names it.
        attr: String,
        /// Wall time.
        time: Duration,
    },
}

/// How far an evaluation is. Displays as words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Attributes known so far, done or not, if the evaluator tells.
    pub known: Option<u64>,
    /// Attributes that are done: jobs, failures and sets that were looked into.
    pub finished: u64,
    /// What is being evaluated, if the evaluator tells.
    pub current: Vec<Current>,
}

/// An attribute that is being evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Which.
    pub attr_path: AttrPath,
    /// For how long.
    pub time: Duration,
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known {
            Some(known) => write!(
                formatter,
                "evaluated {} of {known} attributes",
                self.finished
            ),
            None => write!(formatter, "evaluated {} attributes", self.finished),
        }
    }
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
