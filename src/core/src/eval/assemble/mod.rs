//! What an engine found → machine lines: what is in the store, who needs whom, what is left out.

mod again;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::daemon_lost::is_daemon_lost;
use super::drv::StoreReader;
use super::edges::Edges;
use super::found::Found;
use super::gather::Gathering;
use super::gc_roots::GcRoots;
use super::meter::Meter;
use super::others::Others;
use super::places::Places;
use super::status::Statuses;
use super::text::clean;
use super::warnings::{Heard, Source, Warnings};
use super::words::Words;
use super::{Event, Progress, Summary};
use crate::daemon::DaemonError;
use crate::error::Error;
use crate::machine_line::{Failed, Job, Line};
use crate::nix::{DrvPath, StorePath};
use crate::process::stop_requested;

/// How long jobs that wait for their status are waited for at once.
const WAIT: Duration = Duration::from_millis(100);
/// How often jobs that wait for their status are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often it is told how far the evaluation is.
const PROGRESS: Duration = Duration::from_millis(150);

/// Puts lines together and hands them to the caller of the evaluation.
pub(super) struct Assembler<'s> {
    sink: &'s mut dyn FnMut(Event) -> ControlFlow<()>,
    is_unwanted: bool,
    /// Whether there were lines since the last pause.
    has_spoken: bool,
    summary: Summary,
    gathering: Gathering,
    edges: Edges,
    statuses: Statuses,
    gc_roots: Option<GcRoots>,
    places: Places,
    others: Others,
    warnings: Warnings,
    words: Words,
    meter: Meter,
    progress: Progress,
    progress_told: Instant,
    /// Whether nothing was evaluated.
    is_replayed: bool,
    /// What another evaluation would find too, in order; `None` once it would not.
    lasting: Option<Vec<Line>>,
}

impl<'s> Assembler<'s> {
    pub(super) fn new(
        sink: &'s mut dyn FnMut(Event) -> ControlFlow<()>,
        gc_roots: Option<GcRoots>,
        places: Places,
    ) -> Self {
        Self {
            sink,
            is_unwanted: false,
            has_spoken: false,
            summary: Summary::default(),
            gathering: Gathering::default(),
            edges: Edges::new(),
            statuses: Statuses::new(),
            gc_roots,
            places,
            others: Others::default(),
            warnings: Warnings::default(),
            words: Words::default(),
            meter: Meter::new(),
            progress: Progress::default(),
            progress_told: Instant::now(),
            is_replayed: false,
            lasting: Some(Vec::new()),
        }
    }

    /// One that knows nothing of what is in the store.
    #[cfg(test)]
    pub(super) fn without_store(sink: &'s mut dyn FnMut(Event) -> ControlFlow<()>) -> Self {
        Self {
            statuses: Statuses::silent(),
            ..Self::new(
                sink,
                None,
                Places::of(&super::Source::Reference(String::new())),
            )
        }
    }

    /// Whether nobody wants to hear more.
    pub(super) fn is_unwanted(&self) -> bool {
        self.is_unwanted
    }

    /// Hands over one line.
    pub(super) fn line(&mut self, line: Line) {
        match line {
            Line::Job(_) => self.summary.jobs += 1,
            Line::Failed(_) => self.summary.failed += 1,
            Line::Warning { .. } => self.summary.warnings += 1,
            _ => {}
        }
        self.has_spoken = true;
        self.event(Event::Line(line));
    }

    /// Warns, unless the same was said before.
    pub(super) fn warn(&mut self, message: String) {
        if self.warnings.hear(&message, Source::Once) == Heard::First {
            self.line(Line::Warning { message });
        }
    }

    /// Passes on a warning of the flake, unless the same was said before.
    fn hear(&mut self, message: String, source: Source) {
        if self.warnings.hear(&message, source) == Heard::First {
            let line = Line::Warning { message };
            self.remember(&line);
            self.line(line);
        }
    }

    /// How far the engine is, as it last said.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn take(&mut self, found: Found) -> Result<(), Error> {
        match found {
            Found::Job(job) => {
                self.progress.finished += 1;
                self.gathering.add(job);
            }
            Found::Failed { error, .. } if is_daemon_lost(&error) => {
                // Says nothing of the attribute, and all that follow would fail the same way.
                return Err(Error::DaemonLost(clean(&error)));
            }
            Found::Failed { attr_path, error } => {
                self.progress.finished += 1;
                // It names the attribute, and names are the flake's to choose.
                let error = clean(&error);
                let line = Line::Failed(Failed {
                    attr: attr_path.to_string(),
                    attr_path,
                    position: self.places.find(&error),
                    error,
                });
                self.remember(&line);
                self.line(line);
            }
            Found::Unwanted { attr_path, system } => self.others.add(system, attr_path),
            Found::OtherSystem { system, attributes } => self.others.add_all(system, attributes),
            Found::Passing => self.lasting = None,
            Found::Warning(message) => self.hear(message, Source::Attribute),
            Found::LoadWarning(message) => self.hear(message, Source::Once),
            Found::Text(text) => self.text(text),
            Found::Progress {
                known,
                finished,
                current,
            } => {
                // nix-eval-jobs may have found some that Nix does not look for any more.
                let finished = finished.max(self.progress.finished);
                self.progress = Progress {
                    known: Some(known.max(finished)),
                    finished,
                    current,
                };
            }
            Found::Took {
                attr_path,
                time,
                bytes,
            } => {
                self.meter.took(&attr_path, time, bytes);
                let attr = attr_path.to_string();
                self.event(Event::Took { attr, time });
            }
            Found::Evaluators(number) => self.meter.run_at_once(number as u64),
            Found::Memory(memory) => self.meter.had(memory),
        }
        Ok(())
    }

    /// To be called before the next finding is waited for.
    pub(super) fn pause(&mut self) {
        if std::mem::take(&mut self.has_spoken) {
            self.event(Event::Pause);
        }
    }

    /// How long from `now` the next finding may be waited for; then [`Assembler::tick`] is due.
    pub(super) fn patience(&self, now: Instant) -> Duration {
        let patience = self.gathering.patience(now);
        if self.statuses.is_waiting() {
            patience.min(LOOK)
        } else {
            patience
        }
    }

    /// Does what is due at `now`.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), Error> {
        if self.gathering.is_due(now) {
            self.flush(now)?;
        }
        self.hand_over(Duration::ZERO);
        if now.saturating_duration_since(self.progress_told) >= PROGRESS {
            self.progress_told = now;
            self.event(Event::Progress(self.progress.clone()));
        }
        Ok(())
    }

    /// Looks up the jobs found since the last time.
    fn flush(&mut self, now: Instant) -> Result<(), Error> {
        let jobs = self.gathering.take(now);
        if jobs.is_empty() {
            return Ok(());
        }
        let paths = jobs.iter().map(|job| job.drv_path.as_store_path());
        self.keep(&paths.collect::<Vec<_>>());
        let drvs: Vec<&DrvPath> = jobs.iter().map(|job| &job.drv_path).collect();
        let added = self.edges.add(&drvs, &StoreReader);
        let jobs: Vec<Job> = jobs
            .into_iter()
            .zip(added)
            .map(|(job, added)| job.with(added))
            .collect();
        for job in &jobs {
            self.remember(&Line::Job(job.clone()));
        }
        self.look_up(jobs)
    }

    /// Finds out where the outputs of `jobs` are.
    fn look_up(&mut self, jobs: Vec<Job>) -> Result<(), Error> {
        match self.statuses.take(jobs) {
            Ok(()) => {}
            Err(DaemonError::Stopped) => return Err(Error::Stopped),
            Err(error) => self.warn(format!(
                "what is in the store is not known, so everything counts as not built: {error}"
            )),
        }
        self.hand_over(Duration::ZERO);
        Ok(())
    }

    /// Hands over the jobs whose status is known or has been waited for long enough.
    fn hand_over(&mut self, patience: Duration) {
        let ready = self.statuses.ready(patience);
        if let Some(problem) = ready.problem {
            self.warn(format!(
                "what substituters have is not known, so it counts as not built: {problem}"
            ));
        }
        for job in ready.jobs {
            self.line(Line::Job(job));
        }
    }

    /// Hands over all jobs. No status is waited for without end.
    fn hand_over_all(&mut self) -> Result<(), Error> {
        while self.statuses.is_waiting() {
            self.pause();
            self.hand_over(WAIT);
            if self.is_unwanted || stop_requested() {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }

    /// Tells what is only known at the end.
    pub(super) fn finish(mut self) -> Result<Summary, Error> {
        self.flush(Instant::now())?;
        self.hand_over_all()?;
        let unanswered = self.statuses.unanswered();
        if unanswered > 0 {
            self.text(format!(
                "{unanswered} jobs count as not built because substituters did not answer in time"
            ));
        }
        if self.summary.jobs == 0 && self.summary.failed == 0 {
            let message = self.others.nothing_found();
            self.warn(message);
        }
        let skipped: Vec<Line> = self.others.skipped().map(Line::Skipped).collect();
        for line in skipped {
            self.line(line);
        }
        if let Some(message) = self.warnings.more() {
            self.line(Line::Warning { message });
        }
        self.end();
        let Summary { jobs, failed, .. } = self.summary;
        self.line(Line::Done { jobs, failed });
        Ok(self.summary)
    }

    /// Tells what is of interest however it ends.
    pub(super) fn end(&mut self) {
        for text in self.words.end() {
            self.event(Event::Text(text));
        }
        for line in self.warnings.repeated() {
            self.line(line);
        }
        if !self.is_replayed {
            let statistics = self.meter.statistics();
            self.line(Line::Statistics(statistics));
        }
    }

    fn event(&mut self, event: Event) {
        if !self.is_unwanted && (self.sink)(event).is_break() {
            self.is_unwanted = true;
        }
    }

    fn text(&mut self, text: String) {
        if let Some(text) = self.words.take(text) {
            self.event(Event::Text(text));
        }
    }

    fn keep(&mut self, paths: &[&StorePath]) {
        if let Some(gc_roots) = &mut self.gc_roots
            && let Err(error) = gc_roots.register(paths)
        {
            self.warn_of_roots(&error);
        }
    }

    /// Not the flake's fault, and only a collection at the wrong moment makes it matter.
    pub(super) fn warn_of_roots(&mut self, error: &Error) {
        self.warn(format!(
            "derivations are not kept from garbage collection: {error}"
        ));
    }

    fn remember(&mut self, line: &Line) {
        if let Some(lasting) = &mut self.lasting {
            lasting.push(line.clone());
        }
    }
}
