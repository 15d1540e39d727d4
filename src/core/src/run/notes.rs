//! What an evaluation says besides its attributes.

use std::fmt;

use super::Run;

/// Warnings that are kept; evaluations of big trees repeat themselves.
const WARNINGS_MAX: usize = 200;

/// A warning of an evaluation. Displays with how often it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// For people.
    pub message: String,
    /// How often it was said.
    pub count: u64,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(formatter, "{}", self.message),
            count => write!(formatter, "{} (× {count})", self.message),
        }
    }
}

/// Why an evaluation as a whole did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// What was tried, on what, and what came of it.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether it may go well in a moment.
    pub may_pass: bool,
}

impl Run {
    pub(super) fn warn(&mut self, message: String) {
        let mut known = self.warnings.iter();
        if self.warnings.len() < WARNINGS_MAX && known.all(|known| known.message != message) {
            self.warnings.push(Warning { message, count: 1 });
        }
    }

    pub(super) fn count_warning(&mut self, message: &str, count: u64) {
        let mut known = self.warnings.iter_mut();
        if let Some(known) = known.find(|known| known.message == message) {
            known.count = count;
        }
    }
}
