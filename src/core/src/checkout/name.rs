use std::fmt;
use std::str::FromStr;

/// Longest name of a branch or ref.
const NAME_MAX: usize = 1024;
/// Characters of a file's name before it is cut.
const FILE_NAME_MAX: usize = 180;

/// A branch (`main`) or a whole ref (`refs/pull/1/head`) that can stand in a refspec: no pattern,
/// no second half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefName(String);

/// A commit's hash, perhaps shortened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

/// A text that cannot be what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {expected}")]
pub struct NameError {
    text: String,
    expected: &'static str,
}

impl RefName {
    /// The ref it means.
    pub(super) fn full(&self) -> String {
        if self.0.starts_with("refs/") {
            self.0.clone()
        } else {
            format!("refs/heads/{}", self.0)
        }
    }

    /// Where the clone keeps it. The name is flat: `a` may have been deleted and `a/b` made, of
    /// which git cannot have both.
    pub(super) fn kept(&self) -> String {
        format!("refs/fetched/{}", file_name(&self.full()))
    }
}

impl FromStr for RefName {
    type Err = NameError;

    /// Takes what `git check-ref-format` takes.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad_character = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
        let bad_part = |part: &str| {
            part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some()
        };
        let is_bad = text.len() > NAME_MAX
            || text.contains(bad_character)
            || text.contains("..")
            || text.contains("@{")
            || text.ends_with('.')
            || text.starts_with('-')
            || text.split('/').any(bad_part);
        if is_bad {
            return Err(NameError {
                text: text.to_owned(),
                expected: "name of a branch",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Revision {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a server can be asked for it.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.0.len(), 40 | 64)
    }
}

impl FromStr for Revision {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(NameError {
            text: text.to_owned(),
            expected: "hash of a commit",
        })
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A file's name for any text. A long text is cut and ends in a number that tells most texts
/// apart; who needs certainty compares the text as well.
pub(super) fn file_name(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_');
    let name = percent_encoding::utf8_percent_encode(text, KEPT).to_string();
    match name.get(..FILE_NAME_MAX) {
        Some(beginning) if name.len() > FILE_NAME_MAX => {
            format!("{beginning}-{:016x}", fnv(text))
        }
        _ => name,
    }
}

/// FNV-1a: unlike the standard library's hashes it stays the same for ever.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("main", "refs/heads/main", "refs/fetched/refs%2Fheads%2Fmain")]
    #[case("a/b.c", "refs/heads/a/b.c", "refs/fetched/refs%2Fheads%2Fa%2Fb%2Ec")]
    #[case(
        "refs/pull/1/head",
        "refs/pull/1/head",
        "refs/fetched/refs%2Fpull%2F1%2Fhead"
    )]
    fn names_mean_refs(#[case] text: &str, #[case] full: &str, #[case] kept: &str) {
        let name: RefName = text.parse().unwrap();
        assert_eq!((name.full().as_str(), name.kept().as_str()), (full, kept));
    }

    #[rstest::rstest]
    #[case("")]
    #[case("-x")]
    #[case("a:b")]
    #[case("*")]
    #[case("a//b")]
    #[case("a..b")]
    #[case("a b")]
    #[case("a.lock")]
    #[case(".a")]
    #[case("a\nb")]
    #[case("a@{1}")]
    fn what_is_no_branch_is_refused(#[case] text: &str) {
        assert!(text.parse::<RefName>().is_err());
    }

    #[test]
    fn revisions_are_hashes() {
        let whole: Revision = "0123456789ABCDEF0123456789abcdef01234567".parse().unwrap();
        assert_eq!(whole.as_str(), "0123456789abcdef0123456789abcdef01234567");
        assert!(whole.is_whole());
        assert!(!"0123456".parse::<Revision>().unwrap().is_whole());
        for text in ["", "main", "HEAD~1", "--upload-pack=x", "012345"] {
            assert!(text.parse::<Revision>().is_err(), "{text}");
        }
    }

    #[test]
    fn file_names_stay_short_and_differ() {
        let long = "x".repeat(400);
        let (one, two) = (
            file_name(&format!("{long}1")),
            file_name(&format!("{long}2")),
        );
        assert!(one.len() < 200);
        assert_ne!(one, two);
        assert_eq!(file_name("https://h/a"), "https%3A%2F%2Fh%2Fa");
    }
}
