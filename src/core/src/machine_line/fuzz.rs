//! An agent that says anything, for tests/fuzz.

use super::{Decoder, Line, encode};

/// Reads machine lines that come in one piece, and in pieces of some bytes.
///
/// # Panics
///
/// If the pieces make a difference, or if a line that was read is written as another.
pub fn lines(bytes: &[u8]) {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let mut decoder = Decoder::default();
    let whole = decoder.feed(rest);
    let end = decoder.finish();
    let mut pieces = Vec::new();
    let mut decoder = Decoder::default();
    let fed = rest
        .chunks(usize::from(*first) + 1)
        .try_for_each(|piece| decoder.feed(piece).map(|lines| pieces.extend(lines)));
    let Ok(whole) = whole else {
        assert!(fed.is_err());
        return;
    };
    assert_eq!(fed, Ok(()));
    assert_eq!(pieces, whole);
    assert_eq!(decoder.finish(), end);

    for line in whole.iter().filter(|line| **line != Line::Unknown) {
        let written = encode(line);
        assert!(written.is_ascii());
        let again = Decoder::default().feed(&written);
        assert_eq!(again.as_deref(), Ok(std::slice::from_ref(line)));
    }
}
