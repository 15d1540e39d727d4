use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::page::{self, Page};
use super::words::{DONE, HELD, STARTED, cancelled, reason_of};
use super::{Cause, Ended, NO_RUN, Standing, State, StatusPolicy, StatusRow};
use crate::plan::{ProjectName, virtual_builder_name};
use crate::report::text::{bad, verdict};
use crate::run::{Attribute, Outcome, Run};

/// All statuses of one commit. Each method is something that happened; [`CommitStatuses::changed`]
/// says what is to be told to the forge because of it.
///
/// A run that is older than what a status is of changes nothing: after a push back to an earlier
/// commit, the end of a run that was stopped says nothing of the one that goes on.
#[derive(Debug, Clone)]
pub struct CommitStatuses {
    policy: StatusPolicy,
    ref_type: String,
    project: ProjectName,
    rows: BTreeMap<String, StatusRow>,
    changed: BTreeSet<String>,
}

impl CommitStatuses {
    /// Those of a commit of `project`, as they were told last.
    pub fn new(
        policy: StatusPolicy,
        ref_type: String,
        project: ProjectName,
        known: impl IntoIterator<Item = StatusRow>,
    ) -> Self {
        let rows = known.into_iter().map(|row| (row.context.clone(), row));
        Self {
            policy,
            ref_type,
            project,
            rows: rows.collect(),
            changed: BTreeSet::new(),
        }
    }

    /// The rows that have changed since they were told last.
    pub fn changed(&self) -> impl Iterator<Item = &StatusRow> {
        self.changed.iter().filter_map(|row| self.rows.get(row))
    }

    /// All rows, by context.
    pub fn rows(&self) -> impl Iterator<Item = &StatusRow> {
        self.rows.values()
    }

    /// There is no run before somebody has agreed to it, at the page `url`.
    pub fn run_held(&mut self, url: String) {
        let cause = Cause {
            run: NO_RUN,
            build: 0,
            url,
        };
        self.set(self.policy.evaluation(), State::Pending, HELD, &cause);
    }

    /// There will be none; `text` says why.
    pub fn run_let_go(&mut self, text: &str) {
        self.abandoned(NO_RUN, Ended::Cancelled, text);
    }

    /// A run waits for its turn.
    pub fn run_waits(&mut self, cause: &Cause) {
        self.begin(cause, "Waiting for a worker.");
    }

    /// A run has begun.
    pub fn run_started(&mut self, cause: &Cause) {
        self.begin(cause, STARTED);
    }

    fn begin(&mut self, cause: &Cause, text: &str) {
        let pending = State::Pending;
        self.set(self.policy.evaluation(), pending, text, cause);
        // It speaks of what was, but not for what has never been told: a run without builds has
        // no status of them.
        if self.rows.contains_key(&self.policy.builds()) {
            self.set(self.policy.builds(), pending, text, cause);
        }
    }

    /// An evaluation has ended, and `run` has what it found; `text` says what came of it where
    /// that says nothing. Builds may go on.
    pub fn evaluation_ended(&mut self, cause: &Cause, ended: Ended, run: Option<&Run>, text: &str) {
        let found = run.filter(|run| run.fatal().is_none());
        match (ended, found) {
            // The end of the run, which is near, has its reason.
            (Ended::Cancelled, _) => {}
            (Ended::Again, _) => self.run_again(cause),
            (Ended::Succeeded | Ended::Warned, Some(run)) => {
                self.begin_builds(cause);
                self.evaluated(cause, run);
            }
            _ => {
                let reason = run
                    .and_then(Run::fatal)
                    .map_or(text, |fatal| &fatal.message);
                let reason = reason_of(reason);
                let page = run.map(page::evaluation);
                let (context, state) = (self.policy.evaluation(), ended.state());
                self.set_page(context, state, &reason, cause, page, None);
            }
        }
    }

    /// Also if the evaluation is told to be good at the same time: a commit is not all good while
    /// its builds go on.
    fn begin_builds(&mut self, cause: &Cause) {
        self.set(self.policy.builds(), State::Pending, STARTED, cause);
    }

    fn evaluated(&mut self, cause: &Cause, run: &Run) {
        let failures = run.tally().evaluation_failed;
        let mut parts = vec![match run.attributes().len() - failures {
            1 => "1 attribute".to_owned(),
            number => format!("{number} attributes"),
        }];
        if failures > 0 {
            parts.push(format!("{failures} failed to evaluate"));
        }
        if let Some(lost) = run.lost() {
            parts.push(format!("{} no longer there", lost.attrs.len()));
        }
        let mut text = parts.join(", ");
        match run.warnings().len() {
            0 => {}
            1 => text.push_str(" (1 warning)"),
            number => {
                let _ = write!(text, " ({number} warnings)");
            }
        }
        let ended = if failures > 0 {
            Ended::Failed
        } else {
            Ended::Succeeded
        };
        let page = Some(page::evaluation(run));
        let context = self.policy.evaluation();
        self.set_page(context, ended.state(), &text, cause, page, None);
        let failed = bad(run).into_iter();
        let failed = failed.filter(|attribute| attribute.job.is_none());
        self.report(cause, run, failed);
    }

    /// The rebuild of one attribute has begun. `name` is that of its virtual builder.
    pub fn attribute_started(&mut self, cause: &Cause, name: &str) {
        let context = self.policy.attribute(name);
        if self.rows.contains_key(&context) {
            self.set(context, State::Pending, STARTED, cause);
        }
    }

    /// The build of an attribute has ended, or it has ended without one; `text` says why.
    pub fn attribute_ended(&mut self, cause: &Cause, ended: Ended, name: &str, text: &str) {
        let context = self.policy.attribute(name);
        let known = self.rows.get(&context);
        match ended {
            Ended::Succeeded | Ended::Warned => {
                if known.is_some_and(|known| known.state != State::Success) {
                    self.set(context, ended.state(), DONE, cause);
                }
            }
            Ended::Failed | Ended::Broken => {
                if known.is_some() || self.bad_attributes() < self.policy.limit {
                    let page = Some(page::attribute(name, text));
                    self.set_page(context, ended.state(), &reason_of(text), cause, page, None);
                }
            }
            // Nothing is known about it, and the run says that it was stopped. But what somebody
            // started again and stopped does not go on.
            Ended::Cancelled => {
                if known.is_some_and(|known| known.state == State::Pending) {
                    self.set(context, ended.state(), &cancelled(text), cause);
                }
            }
            Ended::Again => {}
        }
    }

    /// The rebuild of one attribute has ended: so the builds of the commit come to something else.
    pub fn attribute_rebuilt(&mut self, cause: &Cause, ended: Ended, name: &str, text: &str) {
        self.attribute_ended(cause, ended, name, text);
        let is_good = match ended {
            Ended::Succeeded | Ended::Warned => true,
            Ended::Failed | Ended::Broken => false,
            Ended::Cancelled | Ended::Again => return,
        };
        let Some(builds) = self.rows.get(&self.policy.builds()) else {
            return;
        };
        // A run that goes on says it itself.
        if let Some(mut standing) = builds.standing.clone()
            && builds.state != State::Pending
        {
            standing.rebuilt(name, is_good);
            let (cause, page) = (builds.cause.clone(), builds.page.clone());
            let page = page.map(page::rebuilt);
            let (context, state) = (self.policy.builds(), standing.ended().state());
            let text = standing.text();
            self.set_page(context, state, &text, &cause, page, Some(standing));
        }
    }

    /// A run has ended, and `run` has what became of its attributes; `text` says what happened
    /// where there was no evaluation. All that it has told of is in a final state afterwards,
    /// unless it is begun once more.
    pub fn run_ended(
        &mut self,
        cause: &Cause,
        ended: Ended,
        run: Option<&Run>,
        text: &str,
        stopped_because: Option<&str>,
    ) {
        if ended == Ended::Again {
            return self.run_again(cause);
        }
        let fatal = run.and_then(Run::fatal);
        let reason = match (stopped_because, fatal) {
            (Some(reason), _) => cancelled(reason),
            (None, Some(fatal)) => reason_of(&fatal.message),
            (None, None) => reason_of(text),
        };
        if let Some(run) = run.filter(|run| fatal.is_none() && run.is_finished()) {
            if self.is_open(&self.policy.evaluation()) {
                self.evaluated(cause, run);
            }
            self.built(cause, ended, run, &reason);
            return;
        }
        if let Some(run) = run {
            self.report(cause, run, bad(run));
        }
        self.finish(self.policy.builds(), cause, ended, &reason);
        self.finish(self.policy.evaluation(), cause, ended, &reason);
    }

    /// Whatever was to be told of the run `run` was not told, because this process died. It ended
    /// so.
    pub fn abandoned(&mut self, run: u64, ended: Ended, text: &str) {
        let open = |row: &&StatusRow| row.state == State::Pending && row.cause.run == run;
        let open: Vec<(String, Cause)> = self
            .rows
            .values()
            .filter(open)
            .map(|row| (row.context.clone(), row.cause.clone()))
            .collect();
        for (context, cause) in open {
            let text = match ended {
                Ended::Cancelled => cancelled(text),
                _ => reason_of(text),
            };
            self.set(context, ended.state(), &text, &cause);
        }
    }

    fn run_again(&mut self, cause: &Cause) {
        for context in [self.policy.evaluation(), self.policy.builds()] {
            if self.rows.contains_key(&context) {
                let text = "Waiting to be started again.";
                self.set(context, State::Pending, text, cause);
            }
        }
    }

    /// The builds of `run` have all ended.
    fn built(&mut self, cause: &Cause, ended: Ended, run: &Run, reason: &str) {
        // What was really tried comes first. Some have no build of their own that has told: those
        // with the derivation of another, and those that need what failed.
        let bad = bad(run);
        self.report(cause, run, bad.iter().copied());
        let named = bad.iter();
        let named = named.filter_map(|bad| Some((self.name_of(run, bad)?, &bad.outcome)));
        let named: Vec<(String, &Outcome)> = named.collect();
        let contexts = named.iter().map(|(name, _)| self.policy.attribute(name));
        let contexts: BTreeSet<String> = contexts.collect();
        let standing = Standing::of(run, named);
        let (state, text) = match ended {
            Ended::Cancelled => (ended.state(), format!("{reason} ({})", standing.text())),
            // Not all of it is the fault of what was built.
            Ended::Broken => (ended.state(), standing.text()),
            _ => (standing.ended().state(), standing.text()),
        };
        if ended != Ended::Cancelled {
            self.clear_good(cause, &contexts);
        }
        let page = Some(page::builds(run));
        let context = self.policy.builds();
        self.set_page(context, state, &text, cause, page, Some(standing));
    }

    /// Reports `attributes`, which are not good, as far as the limit allows.
    fn report<'r>(
        &mut self,
        cause: &Cause,
        run: &Run,
        attributes: impl IntoIterator<Item = &'r Attribute>,
    ) {
        for attribute in attributes {
            let Some(name) = self.name_of(run, attribute) else {
                return;
            };
            let known = self.rows.get(&self.policy.attribute(&name));
            // What was built has been told, with the page of its build.
            if known.is_some_and(|known| known.cause.run >= cause.run) {
                continue;
            }
            if known.is_none() && self.bad_attributes() >= self.policy.limit {
                continue;
            }
            let (ended, text) = match &attribute.outcome {
                Outcome::Broken { message } => (Ended::Broken, message.clone()),
                outcome => (Ended::Failed, verdict(outcome).1),
            };
            let own = Cause {
                url: attribute.url.clone().unwrap_or_else(|| cause.url.clone()),
                ..cause.clone()
            };
            self.attribute_ended(&own, ended, &name, &text);
        }
    }

    /// Attributes that were bad before and are not among `bad` now; some are not there any more.
    fn clear_good(&mut self, cause: &Cause, bad: &BTreeSet<String>) {
        let cleared: Vec<String> = self
            .rows
            .values()
            .filter(|row| row.state != State::Success && row.cause.run <= cause.run)
            .filter(|row| !row.is_phase() && !bad.contains(&row.context))
            .map(|row| row.context.clone())
            .collect();
        for context in cleared {
            self.set(context, State::Success, DONE, cause);
        }
    }

    /// Ends a status that has not ended yet.
    fn finish(&mut self, context: String, cause: &Cause, ended: Ended, text: &str) {
        let was_told = self.rows.contains_key(&context) || context == self.policy.evaluation();
        if was_told && self.is_open(&context) {
            self.set(context, ended.state(), text, cause);
        }
    }

    fn is_open(&self, context: &str) -> bool {
        let known = self.rows.get(context);
        known.is_none_or(|known| known.state == State::Pending)
    }

    fn bad_attributes(&self) -> usize {
        let rows = self.rows.values();
        rows.filter(|row| row.state != State::Success && !row.is_phase())
            .count()
    }

    fn name_of(&self, run: &Run, attribute: &Attribute) -> Option<String> {
        let root = &run.start()?.attribute;
        let path = &attribute.attr_path;
        Some(virtual_builder_name(
            &self.ref_type,
            &self.project,
            root,
            path,
        ))
    }

    fn set(&mut self, context: String, state: State, text: &str, cause: &Cause) {
        self.set_page(context, state, text, cause, None, None);
    }

    fn set_page(
        &mut self,
        context: String,
        state: State,
        text: &str,
        cause: &Cause,
        page: Option<Page>,
        standing: Option<Standing>,
    ) {
        let known = self.rows.get(&context);
        if known.is_some_and(|known| known.cause.run > cause.run) {
            return;
        }
        let row = StatusRow {
            context: context.clone(),
            state,
            description: text.to_owned(),
            cause: cause.clone(),
            page: page.filter(|_| self.policy.with_pages),
            standing,
        };
        if known != Some(&row) {
            self.rows.insert(context.clone(), row);
            self.changed.insert(context);
        }
    }
}
