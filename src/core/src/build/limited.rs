use std::collections::VecDeque;
use std::io;

use super::log::Log;
use super::text::size;

/// Memory for the end of a log, whatever the limit.
const TAIL_MAX: u64 = 8 << 20;

/// Keeps a log within a number of bytes: what is too much is left out of its middle.
#[derive(Debug)]
pub(super) struct Limited {
    /// Bytes that may still be written at once.
    head_left: u64,
    /// The last lines, once the head is written.
    tail: VecDeque<u8>,
    tail_max: usize,
    left_out: u64,
    limit: u64,
}

impl Limited {
    pub(super) fn new(limit: u64) -> Self {
        let tail_max = (limit / 2).min(TAIL_MAX);
        Self {
            head_left: limit - tail_max,
            tail: VecDeque::new(),
            tail_max: usize::try_from(tail_max).unwrap_or(usize::MAX),
            left_out: 0,
            limit,
        }
    }

    /// Takes whole lines.
    pub(super) fn push(&mut self, lines: &[u8], log: &mut dyn Log) -> io::Result<()> {
        let mut rest = lines;
        if self.head_left > 0 {
            let fits = usize::try_from(self.head_left).unwrap_or(usize::MAX);
            let (head, behind) = split_at_line(lines, fits);
            if !head.is_empty() {
                log.text(head)?;
            }
            self.head_left -= head.len() as u64;
            if behind.is_empty() {
                return Ok(());
            }
            self.head_left = 0;
            rest = behind;
            let notice = format!(
                "… the log limit of {} is near; the end of the log follows when the build is over …\n",
                size(self.limit)
            );
            log.text(notice.as_bytes())?;
        }
        self.keep(rest);
        Ok(())
    }

    /// Writes what was held back. To be called once, at the end.
    pub(super) fn finish(&mut self, log: &mut dyn Log) -> io::Result<()> {
        if self.left_out > 0 {
            let note = format!("… {} left out …\n", size(self.left_out));
            log.text(note.as_bytes())?;
        }
        let tail = std::mem::take(&mut self.tail);
        let (first, second) = tail.as_slices();
        for half in [first, second] {
            if !half.is_empty() {
                log.text(half)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, lines: &[u8]) {
        self.tail.extend(lines);
        let surplus = self.tail.len().saturating_sub(self.tail_max);
        if surplus == 0 {
            return;
        }
        // Whole lines go; a tail without a newline is one line.
        let newline = self
            .tail
            .iter()
            .skip(surplus - 1)
            .position(|byte| *byte == b'\n');
        let drop = newline.map_or(self.tail.len(), |offset| surplus + offset);
        self.tail.drain(..drop);
        self.left_out += drop as u64;
    }
}

/// As many whole lines as fit into `length` bytes, and the rest.
fn split_at_line(lines: &[u8], length: usize) -> (&[u8], &[u8]) {
    if lines.len() <= length {
        return (lines, &[]);
    }
    let within = lines.get(..length).unwrap_or_default();
    let end = within.iter().rposition(|byte| *byte == b'\n');
    lines.split_at(end.map_or(0, |newline| newline + 1))
}

#[cfg(test)]
mod tests {
    use super::super::log::Plain;
    use super::*;

    fn limited(limit: u64, lines: usize, chunk: usize) -> String {
        let all: Vec<u8> = (0..lines)
            .flat_map(|n| format!("line {n:03}\n").into_bytes())
            .collect();
        let mut log = Plain(Vec::new());
        let mut limiter = Limited::new(limit);
        for piece in all.chunks(chunk * 9) {
            limiter.push(piece, &mut log).unwrap();
        }
        limiter.finish(&mut log).unwrap();
        String::from_utf8(log.0).unwrap()
    }

    #[test]
    fn a_short_log_is_untouched() {
        assert_eq!(limited(90, 5, 1).lines().count(), 5);
        assert!(!limited(90, 5, 1).contains('…'));
        assert!(!limited(0, 0, 1).contains('…'));
    }

    #[test]
    fn a_long_log_keeps_its_ends() {
        for chunk in [1, 7, 1000] {
            insta::allow_duplicates! {
                insta::assert_snapshot!(limited(60, 1000, chunk), @r"
                line 000
                line 001
                line 002
                … the log limit of 60 bytes is near; the end of the log follows when the build is over …
                … 8.7 KiB left out …
                line 997
                line 998
                line 999
                ");
            }
        }
    }

    #[test]
    fn the_limit_itself_is_kept() {
        let text = limited(1 << 20, 200_000, 100);
        assert!(text.len() < (1 << 20) + 200, "{}", text.len());
        assert_eq!(text.matches("left out").count(), 1);
        assert!(limited(0, 100, 1).contains("left out"));
    }
}
