//! Deliveries come late, twice and out of order. What a branch is now counts, not what came last.

use serde::{Deserialize, Serialize};

/// What a branch or a pull request is at, to tell what is new from what is told again or late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The commit.
    pub revision: String,
    /// The commit before, if that is known.
    pub before: Option<String>,
    /// The branch for which a pull request is.
    pub base: Option<String>,
    /// When the forge changed it last, in seconds since 1970, if it says so.
    pub seconds: Option<i64>,
}

/// What a head is to one that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It comes after.
    New,
    /// It is the same.
    Same,
    /// It came before.
    Late,
    /// Only the forge knows.
    Doubtful,
}

impl Head {
    /// Where this one belongs when the branch was at `known`.
    pub fn arrival(&self, known: Option<&Self>) -> Arrival {
        let Some(known) = known else {
            return Arrival::New;
        };
        if self.revision == known.revision && self.base == known.base {
            return Arrival::Same;
        }
        if self.before.as_ref() == Some(&known.revision) {
            return Arrival::New;
        }
        match (self.seconds, known.seconds) {
            (Some(now), Some(then)) if now < then => Arrival::Late,
            (Some(_), Some(_)) => Arrival::New,
            _ => Arrival::Doubtful,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `before>revision base @seconds`, all but the revision optional.
    fn head(text: &str) -> Head {
        let mut words = text.split(' ');
        let commits = words.next().unwrap();
        let (before, revision) = match commits.split_once('>') {
            Some((before, revision)) => (Some(before.to_owned()), revision),
            None => (None, commits),
        };
        let mut head = Head {
            revision: revision.to_owned(),
            before,
            base: None,
            seconds: None,
        };
        for word in words {
            match word.strip_prefix('@') {
                Some(seconds) => head.seconds = seconds.parse().ok(),
                None => head.base = Some(word.to_owned()),
            }
        }
        head
    }

    #[rstest::rstest]
    #[case("a>b", "b", Arrival::Same)]
    #[case("a>b", "b>c", Arrival::New)]
    // Forced back.
    #[case("a>b", "b>a", Arrival::New)]
    // The one before comes after it; something was missed; a branch was made anew.
    #[case("b>c", "a>b", Arrival::Doubtful)]
    #[case("a>b", "c>d", Arrival::Doubtful)]
    #[case("a>b", "c", Arrival::Doubtful)]
    #[case("a main @5", "b main @6", Arrival::New)]
    #[case("a main @5", "b main @5", Arrival::New)]
    #[case("b main @6", "a main @5", Arrival::Late)]
    #[case("a main @5", "a dev @6", Arrival::New)]
    #[case("a main @5", "a main @9", Arrival::Same)]
    fn order_is_found_out(#[case] known: &str, #[case] new: &str, #[case] arrival: Arrival) {
        assert_eq!(head(new).arrival(Some(&head(known))), arrival);
    }

    #[test]
    fn what_is_not_known_is_new() {
        assert_eq!(head("a").arrival(None), Arrival::New);
    }
}
