use std::time::{Duration, Instant};

use super::super::breach::Breach;
use super::super::found::{Found, Outlet};
use super::super::log::LogLine;
use super::Setup;
use super::end::End;
use super::process::{Repl, Waited};
use super::reply::{Item, Reply};
use super::request::{self, Part};
use crate::error::Error;
use crate::nix::AttrPath;

/// How often limits and the wish to stop are looked at while an evaluator works.
const POLL: Duration = Duration::from_millis(100);
/// An attribute whose path is longer is not evaluated a second time for its error.
const PATH_MAX: usize = 8 << 10;
/// How often an evaluator that is killed while it loads the flake is started.
const STARTS: u32 = 3;

/// A conversation with one evaluator process that has the flake loaded.
#[derive(Debug)]
pub(super) struct Session<'a> {
    setup: &'a Setup,
    outlet: Outlet<'a>,
    repl: Repl,
    /// The last error said, which is the request's own if no other follows.
    held: Option<String>,
    /// Last words that are no message of Nix's log, e.g. of its handler for stack overflows.
    last_text: Option<String>,
    passed_on: PassedOn,
    /// Whether something was built or fetched for the attribute in hand.
    is_costly: bool,
    /// Whether more than evaluating was done for it, however quick.
    is_active: bool,
    /// Memory when last looked at, in MiB.
    memory: u64,
    /// The most that was told, in MiB.
    told_memory: u64,
    /// Whether nothing of weight was evaluated in this process before.
    pub(super) is_fresh: bool,
}

/// What an evaluator says beside its results, and who hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PassedOn {
    All,
    /// While it loads the flake, a repl also tells that it is a repl.
    AllButNotices,
    /// What was said before, or what nobody asked for.
    Nothing,
}

impl<'a> Session<'a> {
    /// Starts an evaluator and has it load the flake.
    pub(super) fn open(setup: &'a Setup, outlet: &Outlet<'a>) -> Result<Self, Error> {
        for _ in 1..STARTS {
            match Self::open_once(setup, outlet)? {
                (session, End::Complete { is_fine: true, .. }) => return Ok(session),
                (_, end) if end.is_kill() => {}
                (_, end) => return Err(setup.load_error(end)),
            }
        }
        match Self::open_once(setup, outlet)? {
            (session, End::Complete { is_fine: true, .. }) => Ok(session),
            (_, end) => Err(setup.load_error(end)),
        }
    }

    fn open_once(setup: &'a Setup, outlet: &Outlet<'a>) -> Result<(Self, End), Error> {
        let most = setup.limits.most_memory();
        let group = setup.groups.as_ref();
        let group = group.and_then(|groups| groups.make(most, true));
        let repl = Repl::start(&setup.command, &setup.root, &setup.systems, group)?;
        let mut session = Self {
            setup,
            outlet: outlet.clone(),
            repl,
            held: None,
            last_text: None,
            passed_on: PassedOn::AllButNotices,
            is_costly: false,
            is_active: false,
            memory: 0,
            told_memory: 0,
            is_fresh: true,
        };
        let end = session.listen(0, None, &mut |_, _| {});
        session.passed_on = PassedOn::All;
        Ok((session, end))
    }

    /// Whether the process has more memory than `most` MiB, and should be replaced by a new one.
    pub(super) fn is_larger(&self, most: u64) -> bool {
        self.memory > most
    }

    /// What the evaluated attribute itself is, or how the question ended otherwise.
    pub(super) fn root(&mut self) -> Result<Item, End> {
        let id = self.repl.next_id();
        self.repl.send(&request::root(id));
        let mut root = None;
        let limit = Some(self.setup.limits.attribute);
        let end = self.listen(id, limit, &mut |_, item| root = Some(item));
        root.ok_or(end)
    }

    /// Evaluates `count` members of the set at `position`; each goes to `found` at once. `limit`
    /// is the time for one.
    pub(super) fn members(
        &mut self,
        position: &[usize],
        first: usize,
        count: usize,
        limit: Duration,
        found: &mut dyn FnMut(usize, Item),
    ) -> End {
        let id = self.repl.next_id();
        self.repl
            .send(&request::children(id, position, first, count));
        let mut is_fresh = self.is_fresh;
        let end = self.listen(id, Some(limit), &mut |index, item| {
            // To look at the names in a set costs next to nothing.
            is_fresh &= matches!(item, Item::Set(_));
            found(index, item);
        });
        self.is_fresh = is_fresh;
        end
    }

    /// The error of an attribute that is known to have one, with nothing but the flake's own
    /// trace. `Err` if the evaluator did not survive.
    pub(super) fn explain(&mut self, path: &AttrPath) -> Result<Option<String>, End> {
        // What was evaluated before costs nothing; what failed to build is built again.
        let is_costly = std::mem::take(&mut self.is_costly);
        let length: usize = path.components().iter().map(String::len).sum();
        if is_costly || length > PATH_MAX {
            return Ok(None);
        }
        self.passed_on = PassedOn::Nothing;
        let mut explanation = None;
        for part in Part::ALL {
            let id = self.repl.next_id();
            self.repl
                .send(&request::force(id, &self.setup.root, path, part));
            match self.listen(id, Some(self.setup.limits.attribute), &mut |_, _| {}) {
                End::Complete { is_fine: true, .. } => {}
                End::Complete { error, .. } => {
                    explanation = error;
                    break;
                }
                end => return Err(end),
            }
        }
        self.passed_on = PassedOn::All;
        Ok(explanation)
    }

    /// Whether what failed did more than evaluate: a fetch or a build may work the next time.
    pub(super) fn is_active(&self) -> bool {
        self.is_active
    }

    /// What the evaluator says from now on beside its results goes nowhere.
    pub(super) fn mute(&mut self) {
        self.passed_on = PassedOn::Nothing;
    }

    /// Tells how much memory the process had at most.
    pub(super) fn tell_memory(&mut self) {
        let most = self.repl.most_memory().unwrap_or_default();
        if most > self.told_memory {
            self.told_memory = most;
            self.outlet.send(Found::Memory(most));
        }
    }

    /// The number of the process.
    pub(super) fn process(&mut self) -> Option<u32> {
        self.repl.id()
    }

    /// Ends the process at once.
    pub(super) fn kill(mut self) {
        self.tell_memory();
        self.repl.end(true);
    }

    /// Lets the process end by itself.
    pub(super) fn leave(self) {
        self.repl.leave();
    }

    fn listen(
        &mut self,
        id: u64,
        limit: Option<Duration>,
        found: &mut dyn FnMut(usize, Item),
    ) -> End {
        let mut is_fine = false;
        let mut since = Instant::now();
        let mut next_look = since + POLL;
        let mut heard = Heard::new(self.repl.lines(), since);
        loop {
            match self.repl.wait(POLL) {
                Waited::Reply(Reply::Item(index, item)) => {
                    self.release();
                    self.last_text = None;
                    self.is_costly = false;
                    self.is_active = false;
                    since = Instant::now();
                    found(index, item);
                }
                Waited::Reply(Reply::Fine) => is_fine = true,
                Waited::Reply(Reply::End(end)) if end == id => {
                    let error = self.held.take();
                    return End::Complete { error, is_fine };
                }
                Waited::Reply(Reply::End(_)) | Waited::Nothing => {}
                Waited::Reply(Reply::Log(line)) => self.hear(line),
                Waited::Ended => return self.died(),
            }
            let now = Instant::now();
            if now >= next_look {
                next_look = now + POLL;
                let quiet = heard.quiet(self.repl.lines(), now);
                let is_late = limit.is_some_and(|limit| now - since >= limit);
                if let Some(end) = self.over(is_late, quiet) {
                    self.tell_memory();
                    self.repl.end(matches!(end, End::Over(Breach::Memory(_))));
                    return end;
                }
            }
        }
    }

    fn died(&mut self) -> End {
        let last_words = self.held.take().or_else(|| self.last_text.take());
        let status = self.repl.ended();
        if self.repl.was_full() {
            return End::Over(Breach::Memory(self.setup.limits.most_memory()));
        }
        End::Died { status, last_words }
    }

    /// Whether the evaluator must be killed.
    fn over(&mut self, is_late: bool, quiet: Duration) -> Option<End> {
        self.memory = self.repl.memory().unwrap_or_default();
        let limits = &self.setup.limits;
        let most = limits.most_memory();
        if self.outlet.is_stopped() {
            Some(End::Stopped)
        } else if self.memory > most {
            Some(End::Over(Breach::Memory(self.memory)))
        } else if is_late {
            Some(End::Over(Breach::Time))
        } else if quiet >= limits.silence {
            Some(End::Over(Breach::Silence))
        } else {
            None
        }
    }

    fn hear(&mut self, line: LogLine) {
        match line {
            LogLine::Error(text) => {
                self.release();
                self.held = Some(text);
            }
            LogLine::Activity(text) => {
                self.is_active = true;
                if !text.is_empty() {
                    self.is_costly = true;
                    self.pass_on(Found::Text(text));
                }
            }
            LogLine::Warning(text) if self.passed_on == PassedOn::AllButNotices => {
                self.pass_on(Found::LoadWarning(text));
            }
            LogLine::Warning(text) => self.pass_on(Found::Warning(text)),
            LogLine::Text(text) => {
                self.last_text = Some(text.clone());
                self.pass_on(Found::Text(text));
            }
            LogLine::Notice(_) if self.passed_on == PassedOn::AllButNotices => {}
            LogLine::Notice(text) => self.pass_on(Found::Text(text)),
            LogLine::Nothing => {}
        }
    }

    /// The held error belongs to nothing that failed: it is output.
    fn release(&mut self) {
        if let Some(text) = self.held.take() {
            self.pass_on(Found::Text(text));
        }
    }

    fn pass_on(&self, found: Found) {
        if self.passed_on != PassedOn::Nothing {
            self.outlet.send(found);
        }
    }
}

/// How long an evaluator has been silent.
struct Heard {
    lines: u64,
    since: Instant,
}

impl Heard {
    fn new(lines: u64, since: Instant) -> Self {
        Self { lines, since }
    }

    /// For how long the number of lines has been the same at `now`, when it is `lines`.
    fn quiet(&mut self, lines: u64, now: Instant) -> Duration {
        if lines != self.lines {
            *self = Self::new(lines, now);
        }
        now - self.since
    }
}
