use std::time::{Duration, Instant};

use crate::machine_line::{Large, Slow, Statistics};
use crate::nix::AttrPath;

/// Attributes that are named.
const NAMED: usize = 10;
/// What takes less is not worth a line.
const SLOW: Duration = Duration::from_millis(1);

/// What an evaluation costs.
#[derive(Debug)]
pub(super) struct Meter {
    begun: Instant,
    evaluators: u64,
    memory: Option<u64>,
    slowest: Top<Duration>,
    largest: Top<u64>,
}

/// The attributes with the greatest of some number.
#[derive(Debug)]
struct Top<N>(Vec<(N, AttrPath)>);

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            evaluators: 0,
            memory: None,
            slowest: Top(Vec::new()),
            largest: Top(Vec::new()),
        }
    }

    /// `path` took `time`, and `bytes` were allocated for it, if the evaluator tells.
    pub(super) fn took(&mut self, path: &AttrPath, time: Duration, bytes: Option<u64>) {
        if time >= SLOW {
            self.slowest.add(time, path);
        }
        if let Some(bytes) = bytes {
            self.largest.add(bytes, path);
        }
    }

    /// So many evaluators run at once.
    pub(super) fn run_at_once(&mut self, evaluators: u64) {
        self.evaluators = self.evaluators.max(evaluators);
    }

    /// An evaluator had this many MiB.
    pub(super) fn had(&mut self, memory: u64) {
        self.memory = self.memory.max(Some(memory));
    }

    /// All that was measured.
    pub(super) fn statistics(&self) -> Statistics {
        let slowest = self.slowest.0.iter().map(|(time, path)| Slow {
            attr: path.to_string(),
            seconds: seconds(*time),
        });
        let largest = self.largest.0.iter().map(|(bytes, path)| Large {
            attr: path.to_string(),
            bytes: *bytes,
        });
        Statistics {
            seconds: seconds(self.begun.elapsed()),
            evaluators: self.evaluators,
            memory: self.memory,
            slowest: slowest.collect(),
            largest: largest.collect(),
        }
    }
}

impl<N: Ord + Copy> Top<N> {
    fn add(&mut self, number: N, path: &AttrPath) {
        let least = self.0.last().map(|(least, _)| *least);
        if self.0.len() >= NAMED && Some(number) <= least {
            return;
        }
        let place = self.0.partition_point(|(other, _)| *other >= number);
        self.0.insert(place, (number, path.clone()));
        self.0.truncate(NAMED);
    }
}

/// Milliseconds are all that is of interest.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the order, the greatest are named, the greatest first.
        #[test]
        fn the_greatest_are_named(numbers in prop::collection::vec(0_u64..50, 0..40)) {
            let mut top = Top(Vec::new());
            for (index, number) in numbers.iter().enumerate() {
                top.add(*number, &AttrPath::new([index.to_string()]));
            }
            let named: Vec<u64> = top.0.iter().map(|(number, _)| *number).collect();
            let mut expected = numbers.clone();
            expected.sort_by_key(|number| Reverse(*number));
            expected.truncate(NAMED);
            prop_assert_eq!(named, expected);
        }
    }

    #[test]
    fn what_was_measured_is_said() {
        let mut meter = Meter::new();
        let path = |name: &str| AttrPath::new(["s", name]);
        meter.took(&path("quick"), Duration::from_micros(10), Some(7));
        meter.took(&path("slow.er"), Duration::from_micros(2_500_600), None);
        meter.run_at_once(2);
        meter.run_at_once(1);
        meter.had(30);
        meter.had(20);
        let statistics = meter.statistics();
        assert_eq!((statistics.evaluators, statistics.memory), (2, Some(30)));
        let slow = Slow {
            attr: "s.\"slow.er\"".to_owned(),
            seconds: 2.501,
        };
        assert_eq!(statistics.slowest, [slow]);
        assert_eq!(statistics.largest[0].bytes, 7);
    }
}
