use std::fmt;

use serde::{Deserialize, Serialize};

/// A Nix system, e.g. `x86_64-linux`: letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct System(String);

/// A text that is no Nix system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no Nix system such as `x86_64-linux`")]
pub struct SystemError(String);

impl System {
    /// The system as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for System {
    type Error = SystemError;

    fn try_from(text: String) -> Result<Self, SystemError> {
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || character == '_')
        };
        // At least `<cpu>-<kernel>`; Nix also knows longer ones, e.g. `armv7l-linux-musl`.
        if text.contains('-') && text.split('-').all(word) {
            Ok(Self(text))
        } else {
            Err(SystemError(text))
        }
    }
}

impl std::str::FromStr for System {
    type Err = SystemError;

    fn from_str(text: &str) -> Result<Self, SystemError> {
        Self::try_from(text.to_owned())
    }
}

impl From<System> for String {
    fn from(system: System) -> Self {
        system.0
    }
}

impl fmt::Display for System {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_words_joined_by_dashes() {
        for good in ["x86_64-linux", "aarch64-darwin", "armv7l-linux-musl"] {
            assert_eq!(good.parse::<System>().unwrap().as_str(), good);
        }
        for bad in ["", "linux", "x86_64-", "x86 64-linux", "../x-linux"] {
            assert_eq!(bad.parse::<System>(), Err(SystemError(bad.to_owned())));
        }
    }
}
