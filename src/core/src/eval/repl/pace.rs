//! Whether another evaluator would help.

use std::time::{Duration, Instant};

/// Attributes that cost less processor time of the evaluator are limited by the store: several
/// evaluators that write to it only wait for each other, for up to a tenth of a second each time
/// (1,000 new trivial attributes: 0.8 s with one, 2 s with two).
const WORTH: Duration = Duration::from_millis(2);
/// So long nothing is finished where attributes are slow.
const STUCK: Duration = Duration::from_millis(500);

/// What evaluators have done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    /// Attributes.
    pub(super) finished: u32,
    /// The processor time that they took of the evaluators' own.
    pub(super) time: Duration,
}

/// How fast they are.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    before: Work,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            before: Work::default(),
        }
    }

    /// Whether those that had done `work` by `now` cannot cope with what is left.
    pub(super) fn is_slow(&mut self, work: Work, now: Instant) -> bool {
        let finished = work.finished - self.before.finished;
        if finished == 0 {
            return now.saturating_duration_since(self.since) >= STUCK;
        }
        let time = work.time.saturating_sub(self.before.time);
        self.reset(work, now);
        time / finished > WORTH
    }

    /// To be called when there is one more of them.
    pub(super) fn reset(&mut self, work: Work, now: Instant) {
        *self = Self {
            since: now,
            before: work,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(finished: u32, milliseconds: u64) -> Work {
        Work {
            finished,
            time: Duration::from_millis(milliseconds),
        }
    }

    #[test]
    fn quick_attributes_need_no_other() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        let at = |milliseconds| begun + Duration::from_millis(milliseconds);
        // However long they wait for the store, or for the machine.
        assert!(!pace.is_slow(work(10, 5), at(2000)));
        assert!(!pace.is_slow(work(30, 30), at(3000)));
        // What was before does not count.
        assert!(pace.is_slow(work(40, 60), at(3100)));
        assert!(!pace.is_slow(work(60, 70), at(3200)));
    }

    #[test]
    fn an_attribute_that_takes_long_shows_before_it_is_finished() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert!(!pace.is_slow(work(0, 0), begun + STUCK / 2));
        assert!(pace.is_slow(work(0, 0), begun + STUCK));
        pace.reset(work(0, 0), begun + STUCK);
        assert!(!pace.is_slow(work(0, 0), begun + STUCK));
    }
}
