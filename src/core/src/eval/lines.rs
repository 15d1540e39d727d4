//! A stream of bytes → lines of bounded length.

use std::io::{self, BufRead};

/// The next line of `stream` without its newline, or `None` at the end. Of a line longer than
/// `limit` bytes only the beginning is kept.
pub(super) fn next(stream: &mut impl BufRead, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let available = match stream.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(any.then_some(line));
        }
        any = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(available.len());
        let kept = length.min(limit.saturating_sub(line.len()));
        line.extend_from_slice(available.get(..kept).unwrap_or_default());
        stream.consume(end.map_or(length, |end| end + 1));
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &str, limit: usize) -> Vec<String> {
        // A tiny buffer, so that lines are put together from pieces.
        let mut stream = BufReader::with_capacity(2, text.as_bytes());
        std::iter::from_fn(|| next(&mut stream, limit).unwrap())
            .map(|line| String::from_utf8(line).unwrap())
            .collect()
    }

    #[test]
    fn lines_are_complete_or_cut() {
        assert_eq!(lines("", 9), Vec::<String>::new());
        assert_eq!(lines("\n", 9), [""]);
        assert_eq!(lines("abc\n\ndefghi\nj", 5), ["abc", "", "defgh", "j"]);
    }
}
