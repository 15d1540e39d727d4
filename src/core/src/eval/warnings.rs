use std::collections::HashMap;

use crate::machine_line::Line;

/// Different warnings that are told.
const WARNINGS_MAX: usize = 100;

/// Which warnings were told, and how often they were said.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    told: Vec<Told>,
    by_message: HashMap<String, usize>,
    more: u64,
}

#[derive(Debug)]
struct Told {
    message: String,
    count: u64,
    is_counted: bool,
}

/// Who warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// An attribute: how often says something about the flake.
    Attribute,
    /// Loading the flake, which every evaluator does anew, or buildbot-nix itself: how often says
    /// nothing.
    Once,
}

/// What to do with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Tell it.
    First,
    /// It has been told.
    Again,
    /// There have been too many different ones.
    TooMany,
}

impl Warnings {
    /// Notes that `message` was said.
    pub(super) fn hear(&mut self, message: &str, source: Source) -> Heard {
        if let Some(index) = self.by_message.get(message) {
            if let Some(told) = self.told.get_mut(*index) {
                told.count += 1;
                told.is_counted &= source == Source::Attribute;
            }
            return Heard::Again;
        }
        if self.told.len() >= WARNINGS_MAX {
            self.more += 1;
            return Heard::TooMany;
        }
        self.by_message.insert(message.to_owned(), self.told.len());
        self.told.push(Told {
            message: message.to_owned(),
            count: 1,
            is_counted: source == Source::Attribute,
        });
        Heard::First
    }

    /// Sets how often `message` was said, as an earlier evaluation has counted it.
    pub(super) fn set_count(&mut self, message: &str, count: u64) {
        let index = self.by_message.get(message);
        if let Some(told) = index.and_then(|index| self.told.get_mut(*index)) {
            told.count = count;
            told.is_counted = true;
        }
    }

    /// Warnings that were said more than once.
    pub(super) fn repeated(&self) -> Vec<Line> {
        let told = self.told.iter();
        told.filter(|told| told.is_counted && told.count > 1)
            .map(|told| Line::Repeated {
                message: told.message.clone(),
                count: told.count,
            })
            .collect()
    }

    /// What is said of those that were not told.
    pub(super) fn more(&self) -> Option<String> {
        (self.more > 0).then(|| format!("{} more warnings are left out", self.more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_attributes_say_is_counted() {
        let mut warnings = Warnings::default();
        assert_eq!(warnings.hear("dirty", Source::Once), Heard::First);
        for _ in 0..3 {
            assert_eq!(warnings.hear("dirty", Source::Once), Heard::Again);
            warnings.hear("old", Source::Attribute);
            warnings.hear("once", Source::Once);
        }
        // An engine that loads the flake without saying so.
        warnings.hear("dirty", Source::Attribute);
        warnings.hear("single", Source::Attribute);
        let old = Line::Repeated {
            message: "old".to_owned(),
            count: 3,
        };
        assert_eq!(warnings.repeated(), [old]);
    }

    #[test]
    fn too_many_are_only_counted() {
        let mut warnings = Warnings::default();
        for number in 0..WARNINGS_MAX {
            let message = number.to_string();
            assert_eq!(warnings.hear(&message, Source::Attribute), Heard::First);
        }
        assert_eq!(warnings.more(), None);
        assert_eq!(warnings.hear("x", Source::Attribute), Heard::TooMany);
        assert_eq!(warnings.hear("x", Source::Attribute), Heard::TooMany);
        assert_eq!(warnings.more().unwrap(), "2 more warnings are left out");
    }
}
