use std::borrow::Cow;

/// `text` with JSON's escaped surrogate pairs as the characters they stand for.
///
/// All other JSON is YAML too, but YAML has no `\ud83d\ude00`, and that is how many programs write
/// what is beyond the basic plane. Anything but a flow collection is left alone: there, the same
/// characters may be plain text.
pub(super) fn without_surrogate_pairs(text: &str) -> Cow<'_, str> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    if !is_json || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        let (before, escape) = rest.split_at(position);
        replaced.push_str(before);
        if let Some(character) = surrogate_pair(escape) {
            replaced.push(character);
            rest = escape.get(PAIR_LENGTH..).unwrap_or_default();
        } else {
            // The backslash and what it escapes, which may be another backslash.
            let length = escape.chars().take(2).map(char::len_utf8).sum();
            let (kept, after) = escape.split_at(length);
            replaced.push_str(kept);
            rest = after;
        }
    }
    replaced.push_str(rest);
    Cow::Owned(replaced)
}

/// Bytes of `\ud83d\ude00`.
const PAIR_LENGTH: usize = 12;

/// The character that the pair at the start of `text` means.
fn surrogate_pair(text: &str) -> Option<char> {
    let unit = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let units = [unit(0..6)?, unit(6..PAIR_LENGTH)?];
    let mut characters = char::decode_utf16(units);
    match (characters.next(), characters.next()) {
        (Some(Ok(character)), None) => Some(character),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(r#"{"a":"\ud83d\ude00!"}"#, r#"{"a":"😀!"}"#)]
    #[case(r#"{"a":"\\ud83d\\ude00"}"#, r#"{"a":"\\ud83d\\ude00"}"#)]
    #[case(r#"{"a":"\u00e4\ud83d"}"#, r#"{"a":"\u00e4\ud83d"}"#)]
    #[case(r"a: \ud83d\ude00", r"a: \ud83d\ude00")]
    #[case(r"{\", r"{\")]
    #[case(r"{\ud83dä", r"{\ud83dä")]
    fn only_pairs_in_json_are_replaced(#[case] text: &str, #[case] replaced: &str) {
        assert_eq!(without_surrogate_pairs(text), replaced);
    }
}
