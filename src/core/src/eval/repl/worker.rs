use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::budget::Budget;
use super::super::found::{Found, FoundJob, Outlet};
use super::super::text::error_text;
use super::super::walk::{self, Selection, Set};
use super::Setup;
use super::end::End;
use super::queue::{Queue, Task};
use super::reply::Item;
use super::session::Session;
use crate::error::Error;
use crate::nix::{AttrPath, DrvPath, System};
use crate::process::own_time;

/// Most attributes in one request: between two requests an evaluator waits for us, on a busy
/// machine for milliseconds.
const BATCH_MAX: usize = 256;
/// A batch that takes less time is followed by a larger one; one that takes four times as much by
/// a smaller one, so that there is work left for other workers.
const BATCH_TIME: Duration = Duration::from_millis(25);

/// One evaluator process, or its successor when it had to be replaced, and what it works on.
#[derive(Debug)]
pub(super) struct Worker<'a, 'w> {
    pub(super) setup: &'a Setup,
    pub(super) selection: &'w Selection,
    pub(super) queue: &'w Queue,
    pub(super) budget: &'w Budget,
    pub(super) outlet: Outlet<'a>,
    pub(super) session: Option<Session<'a>>,
    /// Among the workers of this evaluation.
    pub(super) number: usize,
}

impl<'a> Worker<'a, '_> {
    /// Works until there is nothing left, or the budget has no place for it any more. Returns its
    /// evaluator, if that still runs.
    pub(super) fn run(mut self) -> Result<Option<Session<'a>>, Error> {
        let mut batch = 1;
        while let Some(task) = self.queue.take(batch, || self.budget.share().evaluators) {
            let started = Instant::now();
            let before = self.own_time();
            let size = task.members.len();
            let result = self.evaluate(&task);
            let elapsed = started.elapsed();
            if let (Some(before), Some(after)) = (before, self.own_time()) {
                self.queue.worked(size, after.saturating_sub(before));
            }
            if elapsed > 4 * BATCH_TIME {
                batch = (batch / 2).max(1);
            } else if elapsed < BATCH_TIME && size == batch && before.is_some() {
                batch = (batch * 2).min(BATCH_MAX);
            }
            if result.is_err() || self.outlet.is_stopped() {
                self.queue.close();
            }
            self.queue.idle(self.number);
            self.queue.done();
            result?;
        }
        self.queue.has_process(self.number, None);
        if let Some(session) = &mut self.session {
            session.tell_memory();
        }
        if !self.queue.is_done_within(Duration::ZERO) {
            // There was no place for it, so its evaluator must not wait for the others to end.
            if let Some(session) = self.session.take() {
                session.leave();
            }
        }
        Ok(self.session)
    }

    /// The processor time of the evaluator. `None` before its first attribute of weight, which has
    /// to compute what others share with it.
    fn own_time(&mut self) -> Option<Duration> {
        let session = self.session.as_mut()?;
        own_time(session.process()?).filter(|_| !session.is_fresh)
    }

    fn evaluate(&mut self, task: &Task) -> Result<(), Error> {
        let mut session = self.session_for(task)?;
        self.queue.has_process(self.number, session.process());
        let set = Arc::clone(&task.set);
        let Range { start, end } = task.members.clone();
        let mut next = start;
        let mut since = Instant::now();
        self.queue.begin(self.number, &set, next);
        let limit = self.setup.limits.attribute;
        let how = session.members(
            &set.position,
            start,
            end - start,
            limit,
            &mut |index, item| {
                // Anything else would be a mistake of ours; the attribute then counts as failed.
                if index == next {
                    self.took(&set, index, &mut since);
                    self.found(&set, index, item);
                    next += 1;
                    self.queue.begin(self.number, &set, next);
                }
            },
        );
        let rest = |members| Task {
            set: Arc::clone(&set),
            members,
            is_second_attempt: false,
        };
        if next == end || matches!(how, End::Stopped) {
            self.keep(session, &how);
            return Ok(());
        }
        self.queue.put_back(rest(next + 1..end));
        if !task.is_second_attempt && how.may_be_innocent(session.is_fresh) {
            self.queue.put_back(Task {
                is_second_attempt: true,
                ..rest(next..next + 1)
            });
            return Ok(());
        }
        self.took(&set, next, &mut since);
        self.failed(&set, next, &how, session);
        Ok(())
    }

    /// Member `index` of `set` is done, which was begun at `since`.
    fn took(&self, set: &Set, index: usize, since: &mut Instant) {
        let now = Instant::now();
        self.outlet.send(Found::Took {
            attr_path: set.member(index),
            time: now - std::mem::replace(since, now),
            bytes: None,
        });
    }

    /// The running evaluator, or a new one where that would not do.
    fn session_for(&mut self, task: &Task) -> Result<Session<'a>, Error> {
        match self.session.take() {
            Some(session) if session.is_larger(self.budget.share().memory) => session.kill(),
            Some(session) if task.is_second_attempt && !session.is_fresh => session.kill(),
            Some(session) => return Ok(session),
            None => {}
        }
        Session::open(self.setup, &self.outlet)
    }

    fn keep(&mut self, session: Session<'a>, how: &End) {
        if matches!(how, End::Complete { .. }) {
            self.session = Some(session);
        }
    }

    /// Member `index` of `set` has no result because the request ended so.
    fn failed(&mut self, set: &Set, index: usize, how: &End, mut session: Session<'a>) {
        let path = set.member(index);
        let mut error = how.reason(&format!("`{path}`"), self.setup);
        let mut is_lasting = false;
        if matches!(how, End::Complete { .. })
            && let Ok(explanation) = session.explain(&path)
        {
            error = explanation.map_or(error, |explanation| error_text(&explanation));
            // The attempt and the explanation: one of them shows what is done anew each time.
            is_lasting = !session.is_active();
            self.session = Some(session);
        }
        if !is_lasting {
            self.outlet.send(Found::Passing);
        }
        self.report(Found::Failed {
            attr_path: path,
            error,
        });
    }

    fn found(&self, set: &Set, index: usize, item: Item) {
        let path = set.member(index);
        let found = match item {
            Item::Derivation {
                name,
                system,
                drv_path,
            } => derivation(path, name, system, drv_path, self.selection),
            Item::OtherSystem(system) => Found::Unwanted {
                attr_path: path,
                system,
            },
            Item::Set(names) => match walk::depth_error(&path) {
                None => return self.look_into(set, index, path, names),
                Some(error) => Found::Failed {
                    attr_path: path,
                    error,
                },
            },
            Item::Value(kind) => match walk::value_error(&path, &kind) {
                None => return self.queue.finish_one(),
                Some(error) => Found::Failed {
                    attr_path: path,
                    error,
                },
            },
            Item::Missing => Found::Failed {
                error: format!("`{path}` has vanished"),
                attr_path: path,
            },
            Item::Odd(problem) => not_buildable(path, &problem),
        };
        self.report(found);
    }

    fn look_into(&self, parent: &Set, index: usize, path: AttrPath, names: Vec<String>) {
        let mut position = parent.position.clone();
        position.push(index);
        let set = Arc::new(Set {
            path,
            position,
            names,
        });
        self.queue.add(&set, self.selection.members(&set));
        self.queue.finish_one();
    }

    fn report(&self, found: Found) {
        self.queue.finish_one();
        self.outlet.send(found);
    }
}

fn derivation(
    attr_path: AttrPath,
    name: String,
    system: String,
    drv_path: String,
    selection: &Selection,
) -> Found {
    let system = match System::try_from(system) {
        Ok(system) if selection.wants(&system) => system,
        Ok(system) => {
            return Found::Unwanted {
                attr_path,
                system: system.to_string(),
            };
        }
        Err(error) => return not_buildable(attr_path, &error.to_string()),
    };
    match DrvPath::try_from(drv_path) {
        Ok(drv_path) => Found::Job(FoundJob {
            attr_path,
            name,
            system,
            drv_path,
            outputs: BTreeMap::new(),
        }),
        Err(error) => not_buildable(attr_path, &error.to_string()),
    }
}

fn not_buildable(attr_path: AttrPath, problem: &str) -> Found {
    Found::Failed {
        error: format!("`{attr_path}` is no derivation that can be built: {problem}"),
        attr_path,
    }
}
