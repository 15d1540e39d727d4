use std::fmt::Write as _;

use crate::machine_line::Statistics;

/// What an evaluation has cost, in a few words.
pub fn costs(statistics: &Statistics) -> String {
    let mut text = format!("evaluated in {:.1} s", statistics.seconds);
    match statistics.evaluators {
        0 => {}
        1 => text.push_str(" by 1 evaluator"),
        number => {
            let _ = write!(text, " by up to {number} evaluators");
        }
    }
    if let Some(memory) = statistics.memory.filter(|memory| *memory > 0) {
        let _ = write!(text, ", with up to {memory} MiB each");
    }
    text
}

/// The attributes that have cost most: how much, and their names as they are.
pub fn costliest(statistics: &Statistics) -> Vec<(String, &str)> {
    let slowest = statistics.slowest.iter();
    let slowest = slowest.map(|slow| (format!("{:.3} s", slow.seconds), slow.attr.as_str()));
    let largest = statistics.largest.iter().map(|large| {
        let size = format!("{} MiB allocated", large.bytes >> 20);
        (size, large.attr.as_str())
    });
    slowest.chain(largest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine_line::{Large, Slow};

    #[test]
    fn costs_in_words() {
        let mut statistics = Statistics {
            seconds: 12.34,
            evaluators: 1,
            ..Statistics::default()
        };
        assert_eq!(costs(&statistics), "evaluated in 12.3 s by 1 evaluator");
        statistics.evaluators = 4;
        statistics.memory = Some(812);
        assert_eq!(
            costs(&statistics),
            "evaluated in 12.3 s by up to 4 evaluators, with up to 812 MiB each"
        );
        statistics.slowest = vec![Slow {
            attr: "a".to_owned(),
            seconds: 1.25,
        }];
        statistics.largest = vec![Large {
            attr: "b".to_owned(),
            bytes: 3 << 20,
        }];
        assert_eq!(
            costliest(&statistics),
            [
                ("1.250 s".to_owned(), "a"),
                ("3 MiB allocated".to_owned(), "b")
            ]
        );
    }
}
