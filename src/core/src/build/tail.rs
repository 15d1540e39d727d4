use std::collections::VecDeque;

/// Lines of a failed derivation that are repeated at the end of the log.
const LINES: usize = 25;

/// The last lines of one builder.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    total: u64,
}

impl Tail {
    pub(super) fn push(&mut self, line: &str) {
        self.total += 1;
        // The oldest line's memory serves the newest: this runs for every line of every build.
        let mut slot = if self.lines.len() < LINES {
            String::new()
        } else {
            self.lines.pop_front().unwrap_or_default()
        };
        slot.clear();
        slot.push_str(line);
        self.lines.push_back(slot);
    }

    /// The lines that are kept, oldest first.
    pub(super) fn lines(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Number of lines there were.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// About how much memory it takes.
    pub(super) fn memory(&self) -> usize {
        self.lines.iter().map(String::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_stay() {
        let mut tail = Tail::default();
        for number in 0..100 {
            tail.push(&number.to_string());
        }
        let lines: Vec<&str> = tail.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[24]), (LINES, "75", "99"));
        assert_eq!(tail.total(), 100);
    }
}
