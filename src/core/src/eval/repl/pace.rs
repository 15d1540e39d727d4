//! Whether another evaluator would help.

use std::time::{Duration, Instant};

/// Attributes that cost less processor time of the evaluator are limited by the store: several
/// evaluators that write to it only wait for each other, for up to a tenth of a second each time
/// (1,000 new trivial attributes: 0.8 s with one, 2 s with two).
const WORTH: Duration = Duration::from_millis(2);
/// Attributes that take longer wait for something else, such as a build or a download.
const WAITING: Duration = Duration::from_millis(200);
/// So much processor time, or time, passes without a finished attribute where they are slow.
const STUCK: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// What evaluators have done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    /// Attributes.
    pub(super) finished: u32,
    /// The processor time that they took of the evaluators' own.
    pub(super) time: Duration,
    /// The evaluators' processor time for all that they do.
    pub(super) busy: Duration,
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
        let elapsed = now.saturating_duration_since(self.since);
        if finished == 0 {
            let busy = work.busy.saturating_sub(self.before.busy);
            return busy >= STUCK[0] || elapsed >= STUCK[1];
        }
        let time = work.time.saturating_sub(self.before.time);
        self.reset(work, now);
        time / finished > WORTH || elapsed / finished > WAITING
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

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn work(finished: u32, time: u64) -> Work {
        Work {
            finished,
            time: ms(time),
            busy: ms(time),
        }
    }

    #[test]
    fn quick_attributes_need_no_other() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        // However long they wait for the store, or for the machine.
        assert!(!pace.is_slow(work(10, 5), begun + ms(1000)));
        assert!(!pace.is_slow(work(30, 30), begun + ms(3000)));
        // What was before does not count.
        assert!(pace.is_slow(work(40, 60), begun + ms(3100)));
        assert!(!pace.is_slow(work(60, 70), begun + ms(3200)));
    }

    #[test]
    fn attributes_that_wait_for_builds_need_another() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert!(pace.is_slow(work(2, 0), begun + ms(1000)));
    }

    #[test]
    fn an_attribute_that_takes_long_shows_before_it_is_finished() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert!(!pace.is_slow(work(0, 400), begun + ms(1900)));
        assert!(pace.is_slow(work(0, 500), begun + ms(600)));
        assert!(pace.is_slow(work(0, 0), begun + ms(2000)));
        pace.reset(work(0, 500), begun + ms(2000));
        assert!(!pace.is_slow(work(0, 500), begun + ms(2000)));
    }
}
