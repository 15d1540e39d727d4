use crate::machine_line::{Job, Position};
use crate::nix::AttrPath;

/// One attribute of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, as in status names.
    pub attr: String,
    /// The same, in parts.
    pub attr_path: AttrPath,
    /// What to build; `None` if it did not evaluate.
    pub job: Option<Job>,
    /// How far it is.
    pub outcome: Outcome,
    /// Where in the repository it does not evaluate, if that is known.
    pub position: Option<Position>,
    /// Where its build can be seen.
    pub url: Option<String>,
}

/// How far an attribute is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Evaluated, not started.
    Waiting,
    /// Handed out to be built.
    Running,
    /// Handed out, and another run builds the same derivation: waits for that.
    Elsewhere,
    /// Was in the store before the run.
    AlreadyThere,
    /// Built or fetched by the run.
    Built {
        /// What was done for it, for people.
        how: Option<String>,
    },
    /// Its build was tried and did not work.
    Failed {
        /// For people.
        message: String,
    },
    /// Not built, because that was in vain before.
    FailedBefore {
        /// When, for people.
        when: String,
        /// Where that can be seen.
        url: String,
    },
    /// Its build could not be tried properly: the machine's fault.
    Broken {
        /// For people.
        message: String,
    },
    /// Did not evaluate.
    EvaluationFailed {
        /// The evaluator's message.
        error: String,
    },
    /// Not built, because something it needs failed.
    DependencyFailed {
        /// The attribute whose build failed.
        cause: String,
    },
    /// Stopped, or not started because the run was or what it needs.
    Cancelled {
        /// For people, if somebody wanted it of this one.
        why: Option<String>,
    },
}

impl Outcome {
    /// Whether it waits for others: what it needs, a slot, another run.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting | Self::Elsewhere)
    }

    /// Whether it is how the attribute ended.
    pub fn is_final(&self) -> bool {
        !self.is_waiting() && *self != Self::Running
    }
}

/// What a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Everything is built.
    Succeeded,
    /// Something did not evaluate or build.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// Number of attributes by kind of outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// [`Outcome::Waiting`] and [`Outcome::Elsewhere`]
    pub waiting: usize,
    /// [`Outcome::Running`]
    pub running: usize,
    /// [`Outcome::AlreadyThere`]
    pub already_there: usize,
    /// [`Outcome::Built`]
    pub built: usize,
    /// [`Outcome::Failed`] and [`Outcome::Broken`]
    pub failed: usize,
    /// [`Outcome::FailedBefore`]
    pub failed_before: usize,
    /// [`Outcome::EvaluationFailed`]
    pub evaluation_failed: usize,
    /// [`Outcome::DependencyFailed`]
    pub dependency_failed: usize,
    /// [`Outcome::Cancelled`]
    pub cancelled: usize,
}

impl Tally {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Waiting | Outcome::Elsewhere => &mut self.waiting,
            Outcome::Running => &mut self.running,
            Outcome::AlreadyThere => &mut self.already_there,
            Outcome::Built { .. } => &mut self.built,
            Outcome::Failed { .. } | Outcome::Broken { .. } => &mut self.failed,
            Outcome::FailedBefore { .. } => &mut self.failed_before,
            Outcome::EvaluationFailed { .. } => &mut self.evaluation_failed,
            Outcome::DependencyFailed { .. } => &mut self.dependency_failed,
            Outcome::Cancelled { .. } => &mut self.cancelled,
        };
        *counter += 1;
    }

    /// Number of attributes that make a run fail.
    pub fn bad(&self) -> usize {
        self.failed + self.failed_before + self.evaluation_failed + self.dependency_failed
    }
}
