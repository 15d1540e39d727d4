//! Bytes → lines, in bounded memory whatever a builder prints.

/// A line up to this length is handed on as it is.
const WHOLE_MAX: usize = 1 << 20;
/// Bytes kept from the beginning of a longer line.
const HEAD: usize = 64 << 10;
/// Bytes kept from its end.
const TAIL: usize = 4 << 10;

/// One line, without its newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RawLine<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The ends of a line that is too long to be kept.
    Long {
        head: &'a [u8],
        tail: &'a [u8],
        /// Bytes between the two.
        left_out: u64,
    },
}

/// Puts lines together from pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The line so far; of a long one its head.
    partial: Vec<u8>,
    /// The last bytes of a long line so far, between `TAIL` and twice that.
    tail: Vec<u8>,
    /// Bytes of a long line between the two.
    left_out: u64,
    long: bool,
}

impl Lines {
    /// Takes the next bytes and hands every line that they complete to `sink`.
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(RawLine)) {
        let mut rest = bytes;
        while let Some(newline) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, behind) = rest.split_at(newline);
            rest = behind.get(1..).unwrap_or_default();
            if self.partial.is_empty() && line.len() <= WHOLE_MAX {
                sink(RawLine::Whole(line));
            } else {
                self.extend(line);
                self.complete(sink);
            }
        }
        self.extend(rest);
    }

    /// To be called at the end of the stream: the last line may lack its newline.
    pub(super) fn finish(&mut self, sink: &mut impl FnMut(RawLine)) {
        if !self.partial.is_empty() {
            self.complete(sink);
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.long {
            self.tail.extend_from_slice(bytes);
        } else {
            self.partial.extend_from_slice(bytes);
            if self.partial.len() <= WHOLE_MAX {
                return;
            }
            self.long = true;
            self.tail = self.partial.split_off(HEAD);
        }
        if self.tail.len() > 2 * TAIL {
            let surplus = self.tail.len() - TAIL;
            self.tail.drain(..surplus);
            self.left_out += surplus as u64;
        }
    }

    fn complete(&mut self, sink: &mut impl FnMut(RawLine)) {
        if self.long {
            sink(RawLine::Long {
                head: &self.partial,
                tail: &self.tail,
                left_out: self.left_out,
            });
            // The big allocation of this line is not kept for the next.
            *self = Self::default();
        } else {
            sink(RawLine::Whole(&self.partial));
            self.partial.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn collect(bytes: &[u8], chunk: usize) -> Vec<(Vec<u8>, Vec<u8>, u64)> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut sink = |line: RawLine| {
            seen.push(match line {
                RawLine::Whole(line) => (line.to_vec(), Vec::new(), 0),
                RawLine::Long {
                    head,
                    tail,
                    left_out,
                } => (head.to_vec(), tail.to_vec(), left_out),
            });
        };
        for piece in bytes.chunks(chunk) {
            lines.feed(piece, &mut sink);
        }
        lines.finish(&mut sink);
        seen
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_pieces(
            texts in prop::collection::vec("[^\n]{0,40}", 0..8),
            chunk in 1_usize..60,
        ) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| format!("{text}\n").into_bytes()).collect();
            let expected: Vec<_> = texts.iter().map(|text| (text.clone().into_bytes(), Vec::new(), 0)).collect();
            prop_assert_eq!(collect(&bytes, chunk), expected);
        }
    }

    #[test]
    fn a_long_line_keeps_its_ends() {
        for chunk in [4097, 65536, 5 << 20] {
            let mut bytes = vec![b'x'; 5 << 20];
            bytes.extend_from_slice(b"end\nnext");
            let seen = collect(&bytes, chunk);
            let (head, tail, left_out) = &seen[0];
            assert_eq!(head.len(), HEAD);
            assert!(tail.ends_with(b"xend") && tail.len() <= 2 * TAIL);
            assert_eq!(
                head.len() + tail.len() + usize::try_from(*left_out).unwrap(),
                (5 << 20) + 3
            );
            assert_eq!(seen[1].0, b"next");
        }
    }
}
