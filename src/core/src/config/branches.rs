use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Serialize, Serializer};

/// A pattern of branch names: `*` stands for any text, also with slashes, and `?` for one
/// ASCII character. Everything else stands for itself.
#[derive(Clone)]
pub struct BranchGlob {
    text: String,
    matcher: GlobMatcher,
}

/// A text that cannot be a branch pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BranchGlobError {
    /// Would match nothing.
    #[error("it is empty")]
    Empty,
    /// Refused by the glob library, e.g. for its size.
    #[error("it cannot be compiled: {0}")]
    Refused(String),
}

impl BranchGlob {
    /// Compiles `text`.
    pub fn new(text: &str) -> Result<Self, BranchGlobError> {
        if text.is_empty() {
            return Err(BranchGlobError::Empty);
        }
        let matcher = GlobBuilder::new(&escape(text))
            .literal_separator(false)
            .backslash_escape(false)
            .build()
            .map_err(|error| BranchGlobError::Refused(error.kind().to_string()))?
            .compile_matcher();
        Ok(Self {
            text: text.to_owned(),
            matcher,
        })
    }

    /// Whether the whole of `branch` matches.
    pub fn matches(&self, branch: &str) -> bool {
        self.matcher.is_match(branch)
    }
}

/// `text` with everything but `*` and `?` escaped: classes, alternatives and backslashes are
/// ordinary characters of a branch pattern.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut after_star = false;
    for character in text.chars() {
        match character {
            // Git allows no `[`, but a rule with one should match nothing, not half of everything.
            '[' | ']' | '{' | '}' => escaped.extend(['[', character, ']']),
            // `**` has a meaning of its own between slashes.
            '*' if after_star => {}
            other => escaped.push(other),
        }
        after_star = character == '*';
    }
    escaped
}

impl PartialEq for BranchGlob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for BranchGlob {}

impl fmt::Debug for BranchGlob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BranchGlob({:?})", self.text)
    }
}

impl fmt::Display for BranchGlob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for BranchGlob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// What happens with branches that match [`BranchRule::glob`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BranchRule {
    /// Name of the rule in the settings.
    pub name: String,
    /// The branches.
    pub glob: BranchGlob,
    /// Whether their results are kept from the garbage collector.
    pub register_gc_roots: bool,
    /// Whether their results have files below `outputs_path`.
    pub update_outputs: bool,
    /// Whether their evaluations get the credentials for private inputs.
    pub eval_credentials: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("*", "a/b", true)]
    #[case("release-*", "release-1/x", true)]
    #[case("release-*", "x-release-1", false)]
    #[case("release-**", "release-1", true)]
    #[case("a/**/b", "a/x/y/b", true)]
    #[case("v?.0", "v1.0", true)]
    #[case("v?.0", "v1x0", false)]
    #[case("a.b", "axb", false)]
    #[case("a[bc]", "ab", false)]
    #[case("a[bc]", "a[bc]", true)]
    #[case("{a,b}", "a", false)]
    #[case("a+(b)", "a+(b)", true)]
    #[case("a\\b", "a\\b", true)]
    fn only_star_and_question_mark_are_special(
        #[case] glob: &str,
        #[case] branch: &str,
        #[case] matches: bool,
    ) {
        assert_eq!(BranchGlob::new(glob).unwrap().matches(branch), matches);
    }
}
