use std::fmt;

use serde::Serialize;

use crate::nix::AttrPath;

/// A project's name: what builders begin with and `change.project` says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProjectName(String);

/// A text that cannot be a project's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProjectNameError {
    /// Nothing at all.
    #[error("it is empty")]
    Empty,
    /// Builder names are shown, sent and made into folder names.
    #[error("it is longer than {NAME_LENGTH_MAX} bytes")]
    TooLong,
    /// Line breaks and the like.
    #[error("it contains the control character {0:?}")]
    Control(char),
    /// Buildbot keeps such builder names for itself.
    #[error("it starts with `_`, which Buildbot reserves")]
    Reserved,
    /// gc roots live in folders named after projects.
    #[error("one of its parts between slashes is empty, `.` or `..`, and it names a folder")]
    Path,
}

/// Leaves room for suffixes: builder names become folder names, which end at 255 bytes.
const NAME_LENGTH_MAX: usize = 200;

impl ProjectName {
    /// Checks `name`.
    pub fn new(name: &str) -> Result<Self, ProjectNameError> {
        if name.is_empty() {
            return Err(ProjectNameError::Empty);
        }
        if name.len() > NAME_LENGTH_MAX {
            return Err(ProjectNameError::TooLong);
        }
        if let Some(control) = name.chars().find(|character| character.is_control()) {
            return Err(ProjectNameError::Control(control));
        }
        if name.starts_with('_') {
            return Err(ProjectNameError::Reserved);
        }
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(ProjectNameError::Path);
        }
        Ok(Self(name.to_owned()))
    }

    /// A checked name that was made unique.
    pub(super) fn unchecked(name: String) -> Self {
        Self(name)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A project's prefix in scheduler names and folders: an identifier for Buildbot, unique in a
/// plan. Only [`super::identify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProjectId(pub(super) String);

impl ProjectId {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Name of the virtual builder that collects one attribute's builds, and of its commit status:
/// `<ref type>:<project>#<attribute>.<attr>`, e.g. `git+https:site#checks.x86_64-linux.test`.
pub fn virtual_builder_name(
    ref_type: &str,
    project: &ProjectName,
    attribute: &str,
    attr: &AttrPath,
) -> String {
    format!("{ref_type}:{project}#{attribute}.{attr}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_buildbot_or_the_file_system_cannot_take_are_refused() {
        use ProjectNameError as Error;
        for (name, error) in [
            ("", Error::Empty),
            ("_x", Error::Reserved),
            ("a\nb", Error::Control('\n')),
            ("a/../b", Error::Path),
            ("/a", Error::Path),
            ("a/", Error::Path),
            (&"x".repeat(201), Error::TooLong),
        ] {
            assert_eq!(ProjectName::new(name), Err(error), "{name}");
        }
        for name in ["a", "nix-community/buildbot.nix", "3proxy", "größe", "a b"] {
            assert_eq!(ProjectName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn virtual_builders_are_named_after_their_attribute() {
        let name = ProjectName::new("site").unwrap();
        let attr = AttrPath::new(["x86_64-linux", "a.b"]);
        assert_eq!(
            virtual_builder_name("git+https", &name, "checks", &attr),
            "git+https:site#checks.x86_64-linux.\"a.b\""
        );
    }
}
