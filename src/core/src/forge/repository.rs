use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kinds of forges there are adapters for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForgeKind {
    /// github.com or GitHub Enterprise.
    Github,
    /// Gitea or Forgejo.
    Gitea,
}

impl ForgeKind {
    /// The word in settings, webhook URLs and identities of projects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitea => "gitea",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Gitea => "Gitea",
        }
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A repository's name on its forge, `<owner>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FullName {
    text: String,
    slash: usize,
}

/// A text that is no [`FullName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no `<owner>/<name>` of a repository", .0.escape_debug())]
pub struct FullNameError(String);

impl FullName {
    /// User or organisation.
    pub fn owner(&self) -> &str {
        self.text.get(..self.slash).unwrap_or_default()
    }

    /// Without owner.
    pub fn name(&self) -> &str {
        self.text.get(self.slash + 1..).unwrap_or_default()
    }

    /// `<owner>/<name>`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for FullName {
    type Err = FullNameError;

    fn from_str(text: &str) -> Result<Self, FullNameError> {
        let is_part = |part: &str| {
            !matches!(part, "" | "." | "..")
                && !part.contains(|character: char| {
                    character == '/' || character == '\\' || character.is_control()
                })
        };
        match text.split_once('/') {
            Some((owner, name)) if is_part(owner) && is_part(name) => Ok(Self {
                text: text.to_owned(),
                slash: owner.len(),
            }),
            _ => Err(FullNameError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for FullName {
    type Error = FullNameError;

    fn try_from(text: String) -> Result<Self, FullNameError> {
        text.parse()
    }
}

impl From<FullName> for String {
    fn from(name: FullName) -> Self {
        name.text
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Who a repository belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnerKind {
    /// A person.
    User,
    /// Has members.
    Organization,
}

/// A repository as its forge describes it. Serialised, it is what is kept between starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Where.
    pub forge: ForgeKind,
    /// The forge's number for it, which it keeps when it is renamed or transferred.
    pub id: u64,
    /// `<owner>/<name>`, as the forge writes it.
    pub full_name: FullName,
    /// Who owns it.
    pub owner_kind: OwnerKind,
    /// Its page; what Buildbot's changes on GitHub call the repository.
    pub html_url: String,
    /// Where it is cloned from, `https`.
    pub clone_url: String,
    /// Where it is cloned from, `ssh`; what Buildbot's changes on Gitea call the repository.
    pub ssh_url: String,
    /// The branch whose results count.
    pub default_branch: String,
    /// Sorted.
    pub topics: Vec<String>,
    /// Whether not everyone can see it.
    pub private: bool,
    /// Through which installation of the GitHub App it is reached.
    pub installation: Option<u64>,
    /// Since when it has this name here, in seconds since 1970; none if that is not known, or has
    /// always been so. Who has a name first keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_at: Option<i64>,
}

impl Repository {
    /// What tells it from repositories of other forges, `github:team/site`.
    pub fn identity(&self) -> String {
        format!("{}:{}", self.forge, self.full_name)
    }

    /// Where repository `name` of the same forge is fetched from over `https`, with `.git`.
    pub fn clone_url_of(&self, name: &FullName) -> String {
        let around = self.clone_url.rsplit_once(self.full_name.as_str());
        let (before, after) = around.unwrap_or((&self.clone_url, ""));
        format!("{before}{name}{after}")
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.full_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("")]
    #[case("site")]
    #[case("team/")]
    #[case("/site")]
    #[case("team/site/x")]
    #[case("../site")]
    #[case("team/..")]
    #[case("team/a\nb")]
    fn only_owner_and_name_are_a_full_name(#[case] text: &str) {
        assert_eq!(
            text.parse::<FullName>(),
            Err(FullNameError(text.to_owned()))
        );
    }

    #[test]
    fn a_full_name_has_two_parts() {
        let name: FullName = "team/site.js".parse().unwrap();
        assert_eq!((name.owner(), name.name()), ("team", "site.js"));
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, r#""team/site.js""#);
        assert_eq!(serde_json::from_str::<FullName>(&json).unwrap(), name);
    }
}
