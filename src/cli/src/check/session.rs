//! One run on this machine: the evaluation feeds it, some threads build what is ready.

use std::collections::BTreeMap;
use std::io::{self, Stderr, stderr};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use buildbot_nix_core::build::{self, Log, Progress, Terminal, clean, realise};
use buildbot_nix_core::error::Error;
use buildbot_nix_core::eval::{self, Event};
use buildbot_nix_core::machine_line::{BuildResult, Job, Line, Outcome};
use buildbot_nix_core::process::stop_requested;
use buildbot_nix_core::run::{AttributeIndex, Run};

use super::words;

/// How often a thread without work looks whether there is some.
const PAUSE: Duration = Duration::from_millis(100);

/// How builds are done and shown.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) print_build_logs: bool,
    pub(super) fail_fast: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) max_silent: Option<Duration>,
    pub(super) show_trace: bool,
}

/// A run and the threads around it.
pub(super) struct Session {
    options: Options,
    begun: Instant,
    state: Mutex<State>,
    /// Something may be ready, or all is over.
    changed: Condvar,
}

struct State {
    run: Run,
    terminal: Terminal<Stderr>,
    /// Attributes finished and known, as long as the evaluation runs.
    evaluating: Option<eval::Progress>,
    /// Names of the attributes that are being built.
    building: BTreeMap<AttributeIndex, String>,
    /// No more builds are wanted.
    stopped: bool,
}

impl Session {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            begun: Instant::now(),
            state: Mutex::new(State {
                run: Run::default(),
                terminal: Terminal::new(stderr()),
                evaluating: Some(eval::Progress::default()),
                building: BTreeMap::new(),
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Evaluates and builds everything; returns what came of it.
    pub(super) fn drive(self, request: &eval::Request, jobs: NonZeroUsize) -> Run {
        thread::scope(|scope| {
            for _ in 0..jobs.get() {
                scope.spawn(|| self.build_what_is_ready());
            }
            let evaluated = eval::run(request, &mut |event| self.event(event));
            self.end_of_evaluation(evaluated.err());
        });
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        state.run
    }

    fn event(&self, event: Event) -> ControlFlow<()> {
        let mut state = self.lock();
        match event {
            Event::Line(line) => {
                if let Line::Failed(failed) = &line {
                    state.say(&format!("✗ {} failed to evaluate", failed.attr));
                }
                state.run.take_line(line);
                self.stop_if_failed(&mut state);
                self.changed.notify_all();
            }
            Event::Text(text) => state.say(&text),
            Event::Progress(progress) => state.evaluating = Some(progress),
            Event::Pause | Event::Took { .. } => {}
        }
        self.refresh(&mut state);
        if state.stopped {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn end_of_evaluation(&self, error: Option<Error>) {
        let mut state = self.lock();
        state.evaluating = None;
        match error {
            None => {}
            Some(Error::Stopped) => state.run.cancel(),
            Some(error) => state.run.take_line(Line::fatal(&error)),
        }
        // There were no bytes, so that none can be left over.
        let _ = state.run.end_of_evaluation(Some(0));
        self.changed.notify_all();
    }

    /// What each of the building threads does.
    fn build_what_is_ready(&self) {
        while let Some((index, job)) = self.next() {
            let mut log = AttributeLog {
                session: self,
                failure: String::new(),
            };
            let outcome = realise(&self.request(&job), &|| self.is_stopped(), &mut log);
            let failure = log.failure;
            self.finish(index, &job, outcome, &failure);
        }
    }

    /// Waits for an attribute to build; `None` when there will be no more.
    fn next(&self) -> Option<(AttributeIndex, Job)> {
        let mut state = self.lock();
        loop {
            if stop_requested() && !state.stopped {
                state.stopped = true;
                state.run.cancel();
            }
            if let Some(index) = state.run.take_ready(1).first().copied() {
                let job = state
                    .run
                    .attributes()
                    .get(index)
                    .and_then(|attribute| attribute.job.clone());
                if let Some(job) = job {
                    state.building.insert(index, job.attr.clone());
                    return Some((index, job));
                }
            }
            if state.run.is_finished() {
                self.changed.notify_all();
                return None;
            }
            let waited = self.changed.wait_timeout(state, PAUSE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn finish(
        &self,
        index: AttributeIndex,
        job: &Job,
        outcome: Result<Outcome, Error>,
        failure: &str,
    ) {
        let (result, mut message, failed_drv) = match outcome {
            Ok(outcome) => {
                let line = line(job, &outcome);
                self.lock().say(&line);
                (outcome.result, outcome.message, outcome.failed_drv)
            }
            Err(error) => (BuildResult::Transient, Some(error.to_string()), None),
        };
        if !failure.is_empty() {
            let text = message.get_or_insert_default();
            text.push_str(failure);
        }
        let mut state = self.lock();
        state.building.remove(&index);
        state
            .run
            .finish(index, result, message, failed_drv.as_ref());
        self.stop_if_failed(&mut state);
        self.refresh(&mut state);
        self.changed.notify_all();
    }

    fn stop_if_failed(&self, state: &mut State) {
        if self.options.fail_fast && !state.stopped && state.run.tally().bad() > 0 {
            state.stopped = true;
            state.run.cancel();
        }
    }

    fn request(&self, job: &Job) -> build::Request {
        build::Request {
            timeout: self.options.timeout,
            max_silent: self.options.max_silent,
            show_trace: self.options.show_trace,
            colour: self.lock().terminal.colour(),
            ..build::Request::new(job.drv_path.clone())
        }
    }

    fn is_stopped(&self) -> bool {
        stop_requested() || self.lock().stopped
    }

    fn refresh(&self, state: &mut State) {
        let running: Vec<String> = state.building.values().cloned().collect();
        let tally = state.run.tally();
        let status = words::status(
            &tally,
            state.evaluating.as_ref(),
            &running,
            self.begun.elapsed(),
        );
        let _ = state.terminal.status(&status);
    }

    /// A thread that panicked leaves a state that is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Shows a line whose names may come from the flake. Nobody reading it is no reason to stop.
    fn say(&mut self, line: &str) {
        let line = clean(line, false);
        let line = words::coloured(&line, self.terminal.colour());
        let _ = self.terminal.write(format!("{line}\n").as_bytes());
    }
}

/// One line about a build that is over.
fn line(job: &Job, outcome: &Outcome) -> String {
    let attr = &job.attr;
    let seconds = outcome.seconds;
    let message = outcome.message.as_deref().unwrap_or_default();
    match outcome.result {
        BuildResult::Succeeded if message.is_empty() => format!("✓ {attr} ({seconds:.1} s)"),
        BuildResult::Succeeded => format!("✓ {attr} ({seconds:.1} s): {message}"),
        BuildResult::Failed => format!("✗ {attr} failed after {seconds:.1} s: {message}"),
        BuildResult::Transient => format!("✗ {attr} could not be built here: {message}"),
        BuildResult::Cancelled => format!("· {attr} was cancelled"),
    }
}

/// The log of one of several builds.
struct AttributeLog<'a> {
    session: &'a Session,
    /// Last lines of what failed, for the report.
    failure: String,
}

impl Log for AttributeLog<'_> {
    fn text(&mut self, lines: &[u8]) -> io::Result<()> {
        if !self.session.options.print_build_logs {
            return Ok(());
        }
        self.session.lock().terminal.write(lines)
    }

    fn failure(&mut self, lines: &str) -> io::Result<()> {
        self.failure.push_str(lines);
        Ok(())
    }

    fn tick(&mut self, _progress: &Progress) -> io::Result<()> {
        self.session.refresh(&mut self.session.lock());
        Ok(())
    }
}
