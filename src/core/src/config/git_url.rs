use std::fmt;

use serde::Serialize;

use crate::secret::redact_url;

/// Where a repository is fetched from. Holds no password, and nothing git takes for an option or
/// a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GitUrl(String);

/// A text that cannot be a repository's URL here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitUrlError {
    /// Buildbot would show the password to everyone.
    #[error("it contains credentials: `{0}`")]
    Credentials(String),
    /// Neither one of [`SCHEMES`], nor `user@host:path`, nor an absolute path.
    #[error("`{0}` is no URL that git can fetch")]
    Malformed(String),
    /// More than Buildbot's database can hold.
    #[error("it is longer than {URL_LENGTH_MAX} bytes")]
    TooLong,
}

/// Git knows more, among them `ext::`, which runs a command.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];
/// The column `changes.repository`.
const URL_LENGTH_MAX: usize = 512;

impl GitUrl {
    /// Checks `url`.
    pub fn new(url: &str) -> Result<Self, GitUrlError> {
        let malformed = || GitUrlError::Malformed(redact_url(url));
        if url.len() > URL_LENGTH_MAX {
            return Err(GitUrlError::TooLong);
        }
        if url
            .chars()
            .any(|character| character.is_control() || character == ' ')
        {
            return Err(malformed());
        }
        if redact_url(url) != url {
            return Err(GitUrlError::Credentials(redact_url(url)));
        }
        let fetchable = match url.split_once("://") {
            Some((scheme, rest)) => {
                SCHEMES.contains(&scheme) && !rest.starts_with(['-', '@']) && !rest.is_empty()
            }
            None => url.starts_with('/') || is_scp_like(url),
        };
        if fetchable {
            Ok(Self(url.to_owned()))
        } else {
            Err(malformed())
        }
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `https`, `http`, `ssh`, `git` or `file`.
    pub fn scheme(&self) -> &str {
        match self.0.split_once("://") {
            Some((scheme, _)) => scheme,
            None if self.0.starts_with('/') => "file",
            None => "ssh",
        }
    }
}

/// `host:path` or `user@host:path`.
fn is_scp_like(url: &str) -> bool {
    url.split_once(':').is_some_and(|(host, path)| {
        !host.is_empty()
            && !host.starts_with('-')
            && !host.contains('/')
            && !path.is_empty()
            && !path.starts_with(':')
    })
}

impl fmt::Display for GitUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("https://host/a.git", "https")]
    #[case("ssh://git@host:22/a", "ssh")]
    #[case("git@host:owner/repo", "ssh")]
    #[case("host:repo", "ssh")]
    #[case("/srv/git/a.git", "file")]
    #[case("file:///srv/git/a.git", "file")]
    fn urls_have_a_scheme(#[case] url: &str, #[case] scheme: &str) {
        assert_eq!(GitUrl::new(url).unwrap().scheme(), scheme);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("--upload-pack=x")]
    #[case("-x:y")]
    #[case("ext::sh -c true")]
    #[case("ext::sh")]
    #[case("ssh://-oProxyCommand=x/y")]
    #[case("https://")]
    #[case("relative/path")]
    #[case("https://host/a\nb")]
    fn anything_else_is_refused(#[case] url: &str) {
        assert_eq!(
            GitUrl::new(url),
            Err(GitUrlError::Malformed(url.to_owned()))
        );
    }

    #[rstest::rstest]
    #[case("https://user:hunter2@host/a")]
    #[case("https://hunter2@host/a")]
    #[case("ssh://git:hunter2@host/a")]
    fn credentials_are_refused_and_not_repeated(#[case] url: &str) {
        let error = GitUrl::new(url).unwrap_err();
        assert!(matches!(error, GitUrlError::Credentials(_)));
        assert!(!error.to_string().contains("hunter2"));
    }
}
