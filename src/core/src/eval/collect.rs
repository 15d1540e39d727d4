//! Takes what an engine finds, and has it handed over in time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::assemble::Assembler;
use super::found::Found;
use super::{Progress, breach};
use crate::error::Error;
use crate::process::stop_requested;

/// How often the wish to stop is looked at at least.
const POLL: Duration = Duration::from_millis(100);
/// How long one finding is followed by others before they are looked at. To be woken by each of
/// thousands a second takes processor time from the evaluators.
const LINGER: Duration = Duration::from_millis(2);
/// Findings that are taken before limits and the wish to stop are looked at again.
const TAKEN_MAX: usize = 1000;

/// When a whole evaluation is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) started: Instant,
    pub(super) limit: Option<Duration>,
}

impl End {
    /// The error of an evaluation that takes too long.
    fn check(self, now: Instant, progress: &Progress) -> Result<(), Error> {
        match self.limit {
            Some(limit) if now.saturating_duration_since(self.started) >= limit => {
                let (message, hint) = breach::total(limit, progress);
                let hint = Some(hint);
                Err(Error::Eval { message, hint })
            }
            _ => Ok(()),
        }
    }
}

/// Where findings come from, and the clock there.
pub(super) trait Findings {
    fn now(&self) -> Instant;
    /// A finding that has come already.
    fn next(&mut self) -> Option<Found>;
    /// The next finding if it comes within `limit`.
    fn wait(&mut self, limit: Duration) -> Result<Found, RecvTimeoutError>;
    /// Waits whatever comes.
    fn pause(&mut self, time: Duration);
}

impl Findings for &Receiver<Found> {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn next(&mut self) -> Option<Found> {
        self.try_recv().ok()
    }

    fn wait(&mut self, limit: Duration) -> Result<Found, RecvTimeoutError> {
        self.recv_timeout(limit)
    }

    fn pause(&mut self, time: Duration) {
        thread::sleep(time);
    }
}

/// Takes what the engine finds until it is done. Job lines leave at most 200 ms apart, if
/// substituters let them.
pub(super) fn collect(
    mut findings: impl Findings,
    assembler: &mut Assembler<'_>,
    end: End,
) -> Result<(), Error> {
    loop {
        for _ in 0..TAKEN_MAX {
            let Some(found) = findings.next() else { break };
            assembler.take(found)?;
        }
        let now = findings.now();
        assembler.tick(now)?;
        assembler.pause();
        match findings.wait(assembler.patience(now).min(POLL)) {
            Ok(found) => {
                assembler.take(found)?;
                findings.pause(LINGER);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if assembler.is_unwanted() || stop_requested() {
            return Err(Error::Stopped);
        }
        end.check(now, assembler.progress())?;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::{BTreeMap, VecDeque};
    use std::ops::ControlFlow;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::super::Event;
    use super::super::found::FoundJob;
    use super::*;
    use crate::machine_line::Line;
    use crate::nix::AttrPath;

    /// What the evaluation of everything is measured by.
    const APART: Duration = Duration::from_millis(200);

    /// Findings that come at given times of a clock that nobody has to wait for.
    struct Schedule {
        clock: Rc<Cell<Instant>>,
        coming: VecDeque<(Instant, Found)>,
    }

    impl Schedule {
        /// Jobs, each after so many milliseconds.
        fn new(gaps: &[u64], clock: &Rc<Cell<Instant>>) -> Self {
            let mut at = clock.get();
            let coming = gaps.iter().enumerate().map(|(number, gap)| {
                at += Duration::from_millis(*gap);
                (at, job(number))
            });
            Self {
                coming: coming.collect(),
                clock: Rc::clone(clock),
            }
        }
    }

    impl Findings for &mut Schedule {
        fn now(&self) -> Instant {
            self.clock.get()
        }

        fn next(&mut self) -> Option<Found> {
            let has_come = self.coming.front()?.0 <= self.clock.get();
            has_come
                .then(|| self.coming.pop_front())
                .flatten()
                .map(|(_, found)| found)
        }

        fn wait(&mut self, limit: Duration) -> Result<Found, RecvTimeoutError> {
            let until = self.clock.get() + limit;
            let Some((at, _)) = self.coming.front() else {
                return Err(RecvTimeoutError::Disconnected);
            };
            self.clock.set(until.min(*at).max(self.clock.get()));
            self.next().ok_or(RecvTimeoutError::Timeout)
        }

        fn pause(&mut self, time: Duration) {
            self.clock.set(self.clock.get() + time);
        }
    }

    fn job(number: usize) -> Found {
        Found::Job(FoundJob {
            attr_path: AttrPath::new([number.to_string()]),
            name: "x".to_owned(),
            system: "x86_64-linux".parse().unwrap(),
            drv_path: format!("/nix/store/{number:032}-x.drv").parse().unwrap(),
            outputs: BTreeMap::new(),
        })
    }

    /// When lines about jobs that come after such times have left, by their number.
    fn left(gaps: &[u64]) -> (Vec<Instant>, Vec<Instant>) {
        let clock = Rc::new(Cell::new(Instant::now()));
        let mut schedule = Schedule::new(gaps, &clock);
        let came = schedule.coming.iter().map(|(at, _)| *at).collect();
        let (mut held, mut left) = (0, Vec::new());
        // What prints them holds lines back until there is a pause.
        let mut sink = |event| {
            match event {
                Event::Line(Line::Job(job)) => {
                    assert_eq!(job.attr, (left.len() + held).to_string());
                    held += 1;
                }
                Event::Pause => left.extend((0..std::mem::take(&mut held)).map(|_| clock.get())),
                _ => {}
            }
            ControlFlow::Continue(())
        };
        let end = End {
            started: clock.get(),
            limit: None,
        };
        let mut assembler = Assembler::without_store(&mut sink);
        collect(&mut schedule, &mut assembler, end).unwrap();
        assembler.finish().unwrap();
        left.extend((0..held).map(|_| clock.get()));
        (came, left)
    }

    #[test]
    fn the_first_job_does_not_wait() {
        let (came, left) = left(&[1000, 1000]);
        assert_eq!(left[0] - came[0], LINGER);
    }

    proptest! {
        #[test]
        fn no_job_waits_for_long(gaps in prop::collection::vec(0_u64..300, 1..60)) {
            let (came, left) = left(&gaps);
            prop_assert_eq!(came.len(), left.len());
            for (came, left) in came.iter().zip(&left) {
                prop_assert!(*left - *came <= APART, "{:?}", *left - *came);
            }
        }
    }

    #[test]
    fn not_every_job_is_handed_over_by_itself() {
        let (_, mut left) = left(&[1; 1000]);
        left.dedup();
        assert!(left.len() <= 12, "{left:?}");
    }
}
