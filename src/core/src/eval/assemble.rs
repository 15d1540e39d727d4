//! What an engine found → machine lines: what is in the store, who needs whom, what is left out.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use super::drv::StoreReader;
use super::edges::{Added, Edges};
use super::found::{Found, FoundJob};
use super::gc_roots::GcRoots;
use super::status::Statuses;
use super::{Event, Summary};
use crate::daemon::DaemonError;
use crate::error::Error;
use crate::machine_line::{CacheStatus, Failed, Job, Line, Skipped};
use crate::nix::DrvPath;
use crate::process::stop_requested;

/// Jobs that are looked up together.
const BATCH_MAX: usize = 500;
/// A job does not wait longer for others to be looked up with.
const WAIT: Duration = Duration::from_millis(100);
/// How often jobs that wait for their status are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Different warnings that are told.
const WARNINGS_MAX: usize = 100;
/// Bytes of text that are told: what a flake prints ends up in somebody's log.
const TEXT_MAX: usize = 8 << 20;

/// Puts lines together and hands them to the caller of the evaluation.
pub(super) struct Assembler<'s> {
    sink: &'s mut dyn FnMut(Event) -> ControlFlow<()>,
    is_unwanted: bool,
    summary: Summary,
    pending: Vec<FoundJob>,
    flushed: Instant,
    edges: Edges,
    statuses: Statuses,
    gc_roots: Option<GcRoots>,
    skipped: BTreeMap<String, Option<u64>>,
    warnings: HashSet<String>,
    more_warnings: u64,
    text_left: usize,
    /// What another evaluation would find too, in order; `None` once it would not.
    lasting: Option<Vec<Line>>,
}

impl<'s> Assembler<'s> {
    pub(super) fn new(
        sink: &'s mut dyn FnMut(Event) -> ControlFlow<()>,
        gc_roots_dir: Option<&Path>,
    ) -> Result<Self, Error> {
        let now = Instant::now();
        Ok(Self {
            sink,
            is_unwanted: false,
            summary: Summary::default(),
            pending: Vec::new(),
            // So that the first job does not wait.
            flushed: now.checked_sub(WAIT).unwrap_or(now),
            edges: Edges::default(),
            statuses: Statuses::new(),
            gc_roots: gc_roots_dir.map(GcRoots::open).transpose()?,
            skipped: BTreeMap::new(),
            warnings: HashSet::new(),
            more_warnings: 0,
            text_left: TEXT_MAX,
            lasting: Some(Vec::new()),
        })
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
        self.event(Event::Line(line));
    }

    /// Warns, unless the same was said before.
    pub(super) fn warn(&mut self, message: String) {
        if self.warnings.contains(&message) {
        } else if self.warnings.len() < WARNINGS_MAX {
            self.warnings.insert(message.clone());
            self.line(Line::Warning { message });
        } else {
            self.more_warnings += 1;
        }
    }

    pub(super) fn take(&mut self, found: Found) -> Result<(), Error> {
        match found {
            Found::Job(job) => {
                self.pending.push(job);
                if self.pending.len() >= BATCH_MAX {
                    return self.flush();
                }
            }
            Found::Failed { attr_path, error } => {
                let line = Line::Failed(Failed {
                    attr: attr_path.to_string(),
                    attr_path,
                    error,
                });
                self.remember(&line);
                self.line(line);
            }
            Found::OtherSystem { system, attributes } => {
                let sum = self.skipped.entry(system).or_insert(Some(0));
                *sum = sum.zip(attributes).map(|(sum, more)| sum + more);
            }
            Found::Passing => self.lasting = None,
            Found::Warning(message) => {
                if !self.warnings.contains(&message) && self.warnings.len() < WARNINGS_MAX {
                    self.remember(&Line::Warning {
                        message: message.clone(),
                    });
                }
                self.warn(message);
            }
            Found::Text(text) => self.text(text),
            Found::Progress { known, finished } => self.event(Event::Progress { known, finished }),
        }
        Ok(())
    }

    /// How long the next finding may be waited for; afterwards [`Assembler::tick`] is due.
    pub(super) fn patience(&self) -> Duration {
        let patience = if self.pending.is_empty() {
            WAIT
        } else {
            WAIT.saturating_sub(self.flushed.elapsed())
        };
        if self.statuses.is_waiting() {
            patience.min(LOOK)
        } else {
            patience
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) -> Result<(), Error> {
        if !self.pending.is_empty() && self.flushed.elapsed() >= WAIT {
            self.flush()?;
        }
        self.hand_over(Duration::ZERO);
        Ok(())
    }

    /// Looks up the jobs found since the last time.
    fn flush(&mut self) -> Result<(), Error> {
        let jobs = std::mem::take(&mut self.pending);
        if jobs.is_empty() {
            return Ok(());
        }
        self.keep(&jobs);
        let mut added: Vec<Added> = Vec::with_capacity(jobs.len());
        for job in &jobs {
            added.push(self.edges.add(&job.drv_path, &StoreReader));
        }
        let jobs: Vec<Job> = jobs
            .into_iter()
            .zip(added)
            .map(|(job, added)| line(job, added))
            .collect();
        for job in &jobs {
            self.remember(&Line::Job(job.clone()));
        }
        self.look_up(jobs)?;
        self.flushed = Instant::now();
        Ok(())
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
            self.hand_over(WAIT);
            if self.is_unwanted || stop_requested() {
                return Err(Error::Stopped);
            }
        }
        let unanswered = self.statuses.unanswered();
        if unanswered > 0 {
            self.text(format!(
                "{unanswered} jobs count as not built because substituters did not answer in time"
            ));
        }
        Ok(())
    }

    /// Hands over what an earlier evaluation found, if its derivations are still there. They are
    /// made roots before it is looked, so that none can go afterwards.
    pub(super) fn replay(&mut self, from: Option<String>, lines: Vec<Line>) -> Result<bool, Error> {
        let drvs: Vec<&DrvPath> = (lines.iter())
            .filter_map(|line| match line {
                Line::Job(job) => Some(&job.drv_path),
                _ => None,
            })
            .collect();
        let kept = self.gc_roots.as_mut().map(|roots| roots.register(&drvs));
        match self.statuses.are_there(&drvs) {
            Ok(true) => {}
            Err(DaemonError::Stopped) => return Err(Error::Stopped),
            // A store that does not answer is the evaluation's to complain of.
            Ok(false) | Err(_) => return Ok(false),
        }
        self.lasting = None;
        self.line(Line::Reused { from });
        if let Some(Err(error)) = kept {
            self.warn_of_roots(&error);
        }
        let mut jobs = Vec::new();
        for line in lines {
            match line {
                Line::Job(job) => jobs.push(job),
                Line::Warning { message } => self.warn(message),
                Line::Skipped(skipped) => {
                    self.skipped.insert(skipped.system, skipped.attributes);
                }
                other => self.line(other),
            }
        }
        self.look_up(jobs)?;
        Ok(true)
    }

    /// Takes all that is worth remembering, once everything has been found.
    pub(super) fn take_lasting(&mut self) -> Result<Option<Vec<Line>>, Error> {
        self.flush()?;
        let Some(mut lines) = self.lasting.take() else {
            return Ok(None);
        };
        let skipped = self.skipped.iter().map(|(system, attributes)| Skipped {
            system: system.clone(),
            attributes: *attributes,
        });
        lines.extend(skipped.map(Line::Skipped));
        Ok(Some(lines))
    }

    /// Tells what is only known at the end.
    pub(super) fn finish(mut self) -> Result<Summary, Error> {
        self.flush()?;
        self.hand_over_all()?;
        let skipped = std::mem::take(&mut self.skipped);
        if self.summary.jobs == 0 && self.summary.failed == 0 {
            self.warn(nothing_found(&skipped));
        }
        for (system, attributes) in skipped {
            self.line(Line::Skipped(Skipped { system, attributes }));
        }
        if self.more_warnings > 0 {
            let message = format!("{} more warnings are left out", self.more_warnings);
            self.line(Line::Warning { message });
        }
        let Summary { jobs, failed, .. } = self.summary;
        self.line(Line::Done { jobs, failed });
        Ok(self.summary)
    }

    fn event(&mut self, event: Event) {
        if !self.is_unwanted && (self.sink)(event).is_break() {
            self.is_unwanted = true;
        }
    }

    fn text(&mut self, text: String) {
        if text.len() <= self.text_left {
            self.text_left -= text.len();
            self.event(Event::Text(text));
        } else if self.text_left > 0 {
            self.text_left = 0;
            self.event(Event::Text(format!(
                "[… more than {} MiB of output; the rest is left out …]",
                TEXT_MAX >> 20
            )));
        }
    }

    fn keep(&mut self, jobs: &[FoundJob]) {
        if let Some(gc_roots) = &mut self.gc_roots {
            let drvs: Vec<&DrvPath> = jobs.iter().map(|job| &job.drv_path).collect();
            if let Err(error) = gc_roots.register(&drvs) {
                self.warn_of_roots(&error);
            }
        }
    }

    /// Not the flake's fault, and only a collection at the wrong moment makes it matter.
    fn warn_of_roots(&mut self, error: &Error) {
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

fn line(found: FoundJob, added: Added) -> Job {
    Job {
        attr: found.attr_path.to_string(),
        attr_path: found.attr_path,
        name: found.name,
        system: found.system,
        drv_path: found.drv_path,
        // The derivation itself is surer than what an attribute says about it.
        outputs: added.drv.map_or(found.outputs, |drv| drv.outputs),
        cache_status: CacheStatus::NotBuilt,
        needs: added.needs,
        needed_by: added.needed_by,
    }
}

fn nothing_found(skipped: &BTreeMap<String, Option<u64>>) -> String {
    if skipped.is_empty() {
        return "there is nothing to build: the attribute is empty".to_owned();
    }
    let systems: Vec<String> = skipped.keys().map(|system| format!("`{system}`")).collect();
    format!(
        "there is nothing to build for the systems asked for; the flake has {}",
        systems.join(", ")
    )
}
