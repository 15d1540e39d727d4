use crate::forge::{CheckPhase, Conclusion, StatusState};

/// How a run, an evaluation or a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Well.
    Succeeded,
    /// Well, with warnings.
    Warned,
    /// Badly, by the fault of what was built.
    Failed,
    /// Badly, by the fault of what builds.
    Broken,
    /// Somebody or something newer stopped it.
    Cancelled,
    /// Not at all: it is begun once more.
    Again,
}

impl Ended {
    /// What is told of it.
    ///
    /// Gitea has a state for warnings. But its releases before 1.25, and Forgejo, do not merge with
    /// a required status that has it, and a warning of an evaluation is no reason not to merge. The
    /// text has their number.
    pub fn state(self) -> State {
        match self {
            Self::Succeeded | Self::Warned => State::Success,
            Self::Failed => State::Failure,
            Self::Broken => State::Error,
            Self::Cancelled => State::Cancelled,
            Self::Again => State::Pending,
        }
    }
}

/// How a status is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not over.
    Pending,
    /// Good.
    Success,
    /// Bad, by the fault of what was built.
    Failure,
    /// Bad, by the fault of what builds.
    Error,
    /// Stopped.
    Cancelled,
}

impl State {
    const ALL: [Self; 5] = [
        Self::Pending,
        Self::Success,
        Self::Failure,
        Self::Error,
        Self::Cancelled,
    ];

    /// The word under which it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state that is kept under `word`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The same as a commit status, in which stopped is an error.
    pub(super) fn of_status(self) -> StatusState {
        match self {
            Self::Pending => StatusState::Pending,
            Self::Success => StatusState::Success,
            Self::Failure => StatusState::Failure,
            Self::Error | Self::Cancelled => StatusState::Error,
        }
    }

    /// The same as a check run, in which a fault of what builds is a failure.
    pub(super) fn of_check_run(self) -> CheckPhase {
        match self {
            Self::Pending => CheckPhase::InProgress,
            Self::Success => CheckPhase::Completed(Conclusion::Success),
            Self::Failure | Self::Error => CheckPhase::Completed(Conclusion::Failure),
            Self::Cancelled => CheckPhase::Completed(Conclusion::Cancelled),
        }
    }
}
