use std::collections::VecDeque;

use super::text::{first, last};

/// Bytes of text that are told at once: what a flake prints ends up in somebody's log.
const HEAD_MAX: usize = 6 << 20;
/// Bytes of the last text after that, told in the end: that is where what went wrong is said.
const TAIL_MAX: usize = 1 << 20;

/// What evaluators say beside their results, without the middle if it is too much.
#[derive(Debug)]
pub(super) struct Words {
    head_left: usize,
    tail_max: usize,
    tail: VecDeque<String>,
    tail_size: usize,
    left_out: usize,
}

impl Default for Words {
    fn default() -> Self {
        Self::new(HEAD_MAX, TAIL_MAX)
    }
}

impl Words {
    fn new(head: usize, tail: usize) -> Self {
        Self {
            head_left: head,
            tail_max: tail,
            tail: VecDeque::new(),
            tail_size: 0,
            left_out: 0,
        }
    }

    /// Takes what is said; returns what is to be told now.
    pub(super) fn take(&mut self, text: String) -> Option<String> {
        if self.head_left == 0 {
            self.keep(&text);
            return None;
        }
        if text.len() <= self.head_left {
            self.head_left -= text.len();
            return Some(text);
        }
        let told = first(&text, self.head_left);
        self.head_left = 0;
        self.keep(text.split_at(told.len()).1);
        Some(format!(
            "{told}\n[… more than {} MiB of output; its end follows when the evaluation ends …]",
            HEAD_MAX >> 20
        ))
    }

    fn keep(&mut self, text: &str) {
        let kept = last(text, self.tail_max);
        self.left_out += text.len() - kept.len();
        self.tail_size += kept.len();
        self.tail.push_back(kept.to_owned());
        while self.tail_size > self.tail_max
            && let Some(oldest) = self.tail.pop_front()
        {
            self.tail_size -= oldest.len();
            self.left_out += oldest.len();
        }
    }

    /// What is left to be told in the end.
    pub(super) fn end(&mut self) -> Vec<String> {
        self.tail_size = 0;
        let mut texts = Vec::new();
        if self.left_out > 0 {
            let mebibytes = (self.left_out >> 20).max(1);
            texts.push(format!("[… about {mebibytes} MiB left out …]"));
        }
        self.left_out = 0;
        texts.extend(std::mem::take(&mut self.tail));
        texts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(head: usize, tail: usize, texts: &[String]) -> (String, Vec<String>) {
        let mut words = Words::new(head, tail);
        let told: Vec<String> = texts
            .iter()
            .filter_map(|text| words.take(text.clone()))
            .collect();
        (told.join("\n"), words.end())
    }

    #[test]
    fn beginning_and_end_are_told() {
        let texts = ["begin", "middle1", "middle2", "middle3", "end"].map(str::to_owned);
        let (now, later) = told(8, 8, &texts);
        assert!(now.starts_with("begin\nmid\n[… more than"), "{now}");
        assert_eq!(later, ["[… about 1 MiB left out …]", "end"]);
        let (now, later) = told(100, 8, &texts);
        assert_eq!(now, texts.join("\n"));
        assert_eq!(later, [""; 0]);
    }

    proptest! {
        /// The bounds hold, and what is told are beginnings and ends of what was said.
        #[test]
        fn nothing_is_made_up(texts in prop::collection::vec("[aü]{0,9}", 0..9), head in 1_usize..20, tail in 0_usize..20) {
            let mut words = Words::new(head, tail);
            for text in &texts {
                words.take(text.clone());
                let size: usize = words.tail.iter().map(String::len).sum();
                prop_assert!(size <= tail + 1 && size == words.tail_size);
            }
            let all = texts.concat();
            let left_out = words.left_out;
            let end: String = words.tail.iter().cloned().collect();
            prop_assert!(all.ends_with(&end));
            prop_assert!(all.len() <= head + left_out + end.len());
        }
    }
}
