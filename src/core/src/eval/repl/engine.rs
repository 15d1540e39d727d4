use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::budget::Budget;
use super::super::found::{Found, Outlet};
use super::super::walk::{Selection, Set};
use super::Setup;
use super::end::End;
use super::pace::Pace;
use super::queue::Queue;
use super::reply::Item;
use super::session::Session;
use super::worker::Worker;
use crate::error::Error;
use crate::nix::AttrPath;

/// How often progress is told and the need for another worker looked at.
const TICK: Duration = Duration::from_millis(150);
/// Attributes of one evaluation. More are no project but a set that contains itself.
const ATTRIBUTES_MAX: usize = 250_000;
/// Time for counting the attributes of all systems that nobody asked for.
const COUNT_TIME: Duration = Duration::from_secs(1);

/// An evaluator with the flake loaded, and the members of the evaluated attribute.
#[derive(Debug)]
pub(in super::super) struct Opened<'a> {
    session: Option<Session<'a>>,
    setup: &'a Setup,
    outlet: Outlet<'a>,
    root: Arc<Set>,
}

/// Loads the flake in a first evaluator and looks at the evaluated attribute.
pub(in super::super) fn open<'a>(
    setup: &'a Setup,
    outlet: &Outlet<'a>,
) -> Result<Opened<'a>, Error> {
    let mut session = Session::open(setup, outlet)?;
    let (root, flake) = (&setup.root, &setup.flake);
    let (message, hint) = match session.root() {
        Ok(Item::Set(names)) => {
            let root = Arc::new(Set {
                path: AttrPath::new::<_, String>([]),
                position: Vec::new(),
                names,
            });
            return Ok(Opened {
                session: Some(session),
                setup,
                outlet: outlet.clone(),
                root,
            });
        }
        Ok(Item::Missing) => (
            format!("`{flake}` has no attribute `{root}`"),
            "add it to the flake's outputs, or choose another attribute",
        ),
        Ok(Item::Derivation { .. } | Item::OtherSystem(_)) => (
            format!("`{root}` of `{flake}` is a derivation, not a set of derivations"),
            "evaluate the attribute above it",
        ),
        Ok(Item::Value(kind)) => (
            format!("`{root}` of `{flake}` is of type {kind}, not a set of derivations"),
            "choose another attribute",
        ),
        Ok(Item::Odd(problem)) => (
            format!("`{root}` of `{flake}` is odd: {problem}"),
            "choose another attribute",
        ),
        Err(end) => return Err(setup.root_error(end)),
    };
    Err(Error::Eval {
        message,
        hint: Some(hint.to_owned()),
    })
}

impl Opened<'_> {
    /// The names of the members of the evaluated attribute.
    pub(in super::super) fn names(&self) -> &[String] {
        &self.root.names
    }

    /// Evaluates all that is selected, on as many evaluators as `budget` allows.
    pub(in super::super) fn walk(
        &mut self,
        selection: &Selection,
        budget: &Budget,
    ) -> Result<(), Error> {
        let queue = Queue::default();
        queue.add(&self.root, selection.members(&self.root));
        let (setup, outlet) = (self.setup, &self.outlet);
        let result = thread::scope(|scope| {
            let start = |session, number| {
                let worker = Worker {
                    setup,
                    selection,
                    queue: &queue,
                    budget,
                    outlet: outlet.clone(),
                    session,
                    number,
                };
                queue.join();
                outlet.send(Found::Evaluators(queue.workers()));
                scope.spawn(move || worker.run())
            };
            let mut handles = vec![start(self.session.take(), 0)];
            let mut pace = Pace::new(Instant::now());
            while !queue.is_done_within(TICK) {
                let (known, finished) = queue.progress();
                outlet.send(Found::Progress {
                    known: known as u64,
                    finished: finished as u64,
                    current: queue.current(),
                });
                if known > ATTRIBUTES_MAX {
                    queue.close();
                }
                // Another evaluator has to load the flake again: only worth it where the ones
                // that run cannot cope.
                let is_slow = pace.is_slow(queue.work(), Instant::now());
                if is_slow && queue.has_waiting() && queue.workers() < budget.share().evaluators {
                    handles.push(start(None, handles.len()));
                    pace.reset(queue.work(), Instant::now());
                }
            }
            let mut session = None;
            let mut result = Ok(());
            for handle in handles {
                match handle.join() {
                    Ok(Ok(left)) => session = session.or(left),
                    Ok(Err(error)) => result = Err(error),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            result.map(|()| session)
        });
        self.session = result?;
        if queue.progress().0 > ATTRIBUTES_MAX {
            return Err(Error::Eval {
                message: format!(
                    "`{}` of `{}` has more than {ATTRIBUTES_MAX} attributes",
                    setup.root, setup.flake
                ),
                hint: Some("look for a set that contains itself".to_owned()),
            });
        }
        Ok(())
    }

    /// Tells how many attributes there are for systems that nobody asked for, as far as that is
    /// cheap: their sets may have to be computed, which is not what anybody waits for.
    pub(in super::super) fn count_others(mut self, selection: &Selection) {
        let deadline = Instant::now() + COUNT_TIME;
        let root = Arc::clone(&self.root);
        for (index, name) in root.names.iter().enumerate() {
            if selection.is_other_system(name) {
                let attributes = self.count(index..index + 1, deadline);
                self.outlet.send(Found::OtherSystem {
                    system: name.clone(),
                    attributes,
                });
            }
        }
        if let Some(session) = self.session {
            session.leave();
        }
    }

    fn count(&mut self, member: Range<usize>, deadline: Instant) -> Option<u64> {
        let mut session = self.session.take()?;
        let limit = deadline.saturating_duration_since(Instant::now());
        let mut number = None;
        session.mute();
        let end = session.members(&[], member.start, 1, limit, &mut |_, item| {
            number = match item {
                Item::Set(names) => u64::try_from(names.len()).ok(),
                _ => Some(1),
            };
        });
        if matches!(end, End::Complete { .. }) {
            self.session = Some(session);
        }
        number
    }
}
