//! What people write in messages and comments to tell CI something.

/// Whether `message` has `[skip ci]` or `[ci skip]`, with any spaces and in any case.
pub(super) fn asks_to_skip(message: &str) -> bool {
    let bracketed = message.split('[').skip(1);
    bracketed
        .filter_map(|rest| rest.split_once(']'))
        .any(|(inside, _)| {
            let mut words = inside.split_whitespace();
            let pair = (words.next(), words.next(), words.next());
            matches!(pair, (Some(first), Some(second), None)
                if is_skip_ci(first, second) || is_skip_ci(second, first))
        })
}

fn is_skip_ci(skip: &str, ci: &str) -> bool {
    skip.eq_ignore_ascii_case("skip") && ci.eq_ignore_ascii_case("ci")
}

/// Somebody wants a pull request built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish<'comment> {
    /// The beginning of the head that they have looked at, if they say it.
    pub(super) revision: Option<&'comment str>,
}

/// Whether a line of `comment` is `/build` or `/build <commit>`.
pub(super) fn asks_for_build(comment: &str) -> Option<Wish<'_>> {
    comment.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (command, revision, rest) = (words.next(), words.next(), words.next());
        let is_hash = |word: &str| {
            (7..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let fits = command == Some("/build") && rest.is_none() && revision.is_none_or(is_hash);
        fits.then_some(Wish { revision })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("[skip ci]", true)]
    #[case("fix\n\nDocs only. [CI Skip]", true)]
    #[case("[ skip  ci ] x", true)]
    #[case("[x] [skip ci]", true)]
    #[case("skip ci", false)]
    #[case("[skip]", false)]
    #[case("[skip ci please]", false)]
    #[case("[skip ci", false)]
    #[case("[skipci]", false)]
    #[case("", false)]
    fn brackets_ask_to_skip(#[case] message: &str, #[case] skips: bool) {
        assert_eq!(asks_to_skip(message), skips);
    }

    #[rstest::rstest]
    #[case("/build", "")]
    #[case("Looks fine.\r\n\r\n/build\r\nThanks", "")]
    #[case("  /build  ", "")]
    #[case("/build 0123abc", "0123abc")]
    fn a_line_asks_for_a_build(#[case] comment: &str, #[case] revision: &str) {
        let revision = Some(revision).filter(|revision| !revision.is_empty());
        assert_eq!(asks_for_build(comment), Some(Wish { revision }));
    }

    #[rstest::rstest]
    #[case("/build now please")]
    #[case("/build later")]
    #[case("/builder")]
    #[case("> /build")]
    #[case("please /build")]
    #[case("")]
    fn nothing_else_does(#[case] comment: &str) {
        assert_eq!(asks_for_build(comment), None);
    }
}
