//! One run: the jobs of one evaluation, from the agent's bytes to the last outcome.
//!
//! In: the agent's stdout in pieces, verdicts on builds. Out: jobs to build now, what is to be
//! said about it. Does no I/O and knows no Buildbot: the step on the master and
//! `buildbot-nix check` drive the same object.

mod held;
mod job;
mod names;
#[cfg(test)]
mod names_tests;
mod notes;
mod past;
#[cfg(test)]
mod past_tests;
mod settle;
#[cfg(test)]
mod tests;
mod unbuilt;
mod waiting;
#[cfg(test)]
mod waiting_tests;

use std::collections::HashMap;

pub use held::Remembered;
pub use job::{Attribute, Finding, Outcome, Tally};
pub use names::{Lost, Names, Present};
pub use notes::{Fatal, Warning};
pub use past::{Life, Past};
pub use unbuilt::Unbuilt;

use held::Held;

use crate::graph::{Graph, NodeId, State, Verdict};
use crate::machine_line::{
    BuildResult, CacheStatus, Decoder, Failed, Job, Line, ProtocolError, Skipped, Start, Statistics,
};
use crate::nix::DrvPath;

/// An index into [`Run::attributes`].
pub type AttributeIndex = usize;

/// The state of one run.
#[derive(Debug, Default)]
pub struct Run {
    decoder: Decoder,
    graph: Graph,
    attributes: Vec<Attribute>,
    /// Every attribute of a node; the first is the one that is built.
    by_node: HashMap<NodeId, Vec<AttributeIndex>>,
    start: Option<Start>,
    /// Set if an earlier evaluation is used again; has what that was called, if anything.
    reused: Option<String>,
    skipped: Vec<Skipped>,
    /// Attributes that are gone.
    lost: Option<Lost>,
    warnings: Vec<Warning>,
    statistics: Option<Statistics>,
    /// Why the evaluation as a whole did not work.
    fatal: Option<Fatal>,
    held: Held,
    /// The last records of attributes in an earlier life, by name.
    past: HashMap<String, Past>,
    /// Attributes that ended without a build and were not handed out as such.
    unbuilt: Vec<AttributeIndex>,
    /// How many were.
    recorded: usize,
    evaluated: bool,
    cancelled: bool,
}

impl Run {
    /// Takes the next bytes of the agent's stdout.
    ///
    /// Costs time in proportion to the bytes and to the edges of the jobs in them.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        for line in self.decoder.feed(bytes)? {
            self.take_line(line);
        }
        Ok(())
    }

    /// Takes one line, for a caller that has lines instead of bytes.
    pub fn take_line(&mut self, line: Line) {
        match line {
            Line::Start(start) => self.start = Some(start),
            Line::Reused { from } => self.reused = Some(from.unwrap_or_default()),
            Line::Warning { message } => self.warn(message),
            Line::Repeated { message, count } => self.count_warning(&message, count),
            Line::Statistics(statistics) => self.statistics = Some(statistics),
            Line::Job(job) if self.held.is_asked && !self.cancelled => self.held.push(job),
            Line::Job(job) => {
                self.add_job(job);
            }
            Line::Failed(failed) => self.add_failed(failed),
            Line::Skipped(skipped) => self.skipped.push(skipped),
            Line::Done { .. } => self.evaluated = true,
            // An agent that is stopped says so; that is no reason of its own.
            Line::Fatal { .. } if self.cancelled => {}
            Line::Fatal {
                message,
                hint,
                may_pass,
            } => {
                self.fatal = Some(Fatal {
                    message,
                    hint,
                    may_pass,
                });
            }
            // The outcome of a build belongs to another command, the rest to newer agents.
            Line::Outcome(_) | Line::Checkout(_) | Line::Uploaded(_) | Line::Unknown => {}
        }
    }

    /// The agent has exited with `status` (`None`: killed). A run whose agent vanished without a
    /// last word failed as a whole; what was evaluated is still built.
    pub fn end_of_evaluation(&mut self, status: Option<i32>) -> Result<(), ProtocolError> {
        let complete = self.decoder.finish();
        if !self.evaluated && self.fatal.is_none() && !self.cancelled {
            let how = status.map_or("was killed".to_owned(), |status| {
                format!("ended with status {status}")
            });
            // What the agent says first is that it is there.
            let (what, hint) = if self.start.is_some() {
                (
                    "before the evaluation was complete",
                    "its output is in the log above; was the worker out of memory?",
                )
            } else {
                (
                    "before it began: is it on the worker's `PATH`?",
                    "the worker's `buildbot-nix` has to be of the master's version",
                )
            };
            self.fatal = Some(Fatal {
                message: format!("`buildbot-nix eval` {how} {what}"),
                hint: Some(hint.to_owned()),
                may_pass: false,
            });
        }
        self.evaluated = true;
        self.evaluation_is_in();
        complete
    }

    /// Something of the evaluation was taken in, perhaps the last of it.
    fn evaluation_is_in(&mut self) {
        if self.evaluated && self.held.is_empty() {
            self.graph.measure();
            self.end_circles();
        }
    }

    /// Jobs that wait for each other in a circle would wait for ever; see [`Graph::is_stuck`].
    fn end_circles(&mut self) {
        if self.evaluated && self.held.is_empty() && self.graph.is_stuck() {
            let stuck = self.graph.cancel_waiting();
            self.settle(&stuck);
        }
    }

    fn add_failed(&mut self, failed: Failed) {
        let index = self.attributes.len();
        self.unbuilt.push(index);
        self.attributes.push(Attribute {
            attr: failed.attr,
            attr_path: failed.attr_path,
            job: None,
            outcome: Outcome::EvaluationFailed {
                error: failed.error,
            },
            position: failed.position,
            url: None,
        });
        self.relive(index);
    }

    fn add_job(&mut self, job: Job) -> AttributeIndex {
        let (node, ended) = self.graph.add(&job.drv_path, &job.needs, &job.needed_by);
        let index = self.attributes.len();
        // Only if nobody has started it: a build that runs has its own say, and its own page.
        let local = job.cache_status == CacheStatus::Local
            && matches!(self.graph.state(node), State::Waiting | State::Ready);
        self.by_node.entry(node).or_default().push(index);
        self.attributes.push(Attribute {
            attr: job.attr.clone(),
            attr_path: job.attr_path.clone(),
            job: Some(job),
            outcome: Outcome::Waiting,
            position: None,
            url: None,
        });
        self.settle(&ended);
        if self.cancelled {
            let cancelled = self.graph.cancel_waiting();
            self.settle(&cancelled);
        }
        if local && !self.cancelled {
            let ended = self.graph.finish(node, Verdict::Succeeded);
            self.set_outcome(node, &Outcome::AlreadyThere);
            self.settle(&ended);
        } else {
            // An attribute with the derivation of an earlier one shares whatever became of that.
            let shared = self.by_node.get(&node).and_then(|indexes| indexes.first());
            if let Some(first) = shared
                .filter(|first| **first != index)
                .and_then(|first| self.attributes.get(*first))
                .cloned()
                && let Some(attribute) = self.attributes.get_mut(index)
            {
                if matches!(
                    first.outcome,
                    Outcome::DependencyFailed { .. } | Outcome::FailedBefore { .. }
                ) {
                    self.unbuilt.push(index);
                }
                attribute.outcome = first.outcome;
                attribute.url = first.url;
            }
        }
        self.relive(index);
        index
    }

    /// Hands out up to `limit` attributes to build now. The caller owes a [`Run::finish`] for
    /// each.
    pub fn take_ready(&mut self, limit: usize) -> Vec<AttributeIndex> {
        let nodes = self.graph.take_ready(limit);
        for node in &nodes {
            self.set_outcome(*node, &Outcome::Running);
        }
        nodes
            .iter()
            .filter_map(|node| self.by_node.get(node)?.first().copied())
            .collect()
    }

    /// Whether [`Run::take_ready`] would hand out something.
    pub fn has_ready(&self) -> bool {
        self.graph.has_ready()
    }

    /// Notes where the attribute's build can be seen.
    pub fn set_url(&mut self, index: AttributeIndex, url: &str) {
        for index in self.sharing(index) {
            if let Some(attribute) = self.attributes.get_mut(index) {
                attribute.url = Some(url.to_owned());
            }
        }
    }

    /// Records how the build of an attribute handed out ended. What needs it and will not be
    /// built now gets its outcome too.
    ///
    /// `message` says why it failed or was cancelled, or what was done for it.
    ///
    /// `failed_drv` is the derivation whose builder failed. If that is another attribute's, this
    /// one was started before it was known to need that, and is no failure of its own.
    pub fn finish(
        &mut self,
        index: AttributeIndex,
        result: BuildResult,
        message: Option<String>,
        failed_drv: Option<&DrvPath>,
    ) {
        let Some(node) = self.node_of(index) else {
            return;
        };
        let cause = failed_drv
            .and_then(|drv| self.graph.node(drv))
            .filter(|cause| *cause != node && result == BuildResult::Failed);
        if let Some(cause) = cause {
            let ended = self.graph.blame(node, cause);
            self.settle(&ended);
            self.end_circles();
            return;
        }
        let unsaid = || "failed; see its log".to_owned();
        let (verdict, outcome) = match (result, message) {
            (BuildResult::Succeeded, how) => (Verdict::Succeeded, Outcome::Built { how }),
            (BuildResult::Cancelled, why) => (Verdict::Cancelled, Outcome::Cancelled { why }),
            (BuildResult::Failed, message) => {
                let message = message.unwrap_or_else(unsaid);
                (Verdict::Failed, Outcome::Failed { message })
            }
            (BuildResult::Transient, message) => {
                let message = message.unwrap_or_else(unsaid);
                (Verdict::Failed, Outcome::Broken { message })
            }
        };
        let ended = self.graph.finish(node, verdict);
        if !ended.is_empty() {
            self.set_outcome(node, &outcome);
            self.settle(&ended);
        }
        self.end_circles();
    }

    /// Cancels everything that was not started and whatever still arrives. The caller stops what
    /// runs, and calls [`Run::finish`] for it.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        self.release_held();
        let cancelled = self.graph.cancel_waiting();
        self.settle(&cancelled);
    }

    /// Whether somebody stopped it.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Whether the evaluation has ended and so has every build.
    pub fn is_finished(&self) -> bool {
        let counts = self.graph.counts();
        self.evaluated && self.held.is_empty() && counts.waiting == 0 && counts.running == 0
    }

    /// All attributes, in the order of evaluation.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// How the evaluation is done, once the agent has said so.
    pub fn start(&self) -> Option<&Start> {
        self.start.as_ref()
    }

    /// What the earlier evaluation was called that is used again, if one is; empty if it had no
    /// name.
    pub fn reused(&self) -> Option<&str> {
        self.reused.as_deref()
    }

    /// Attributes that are not for this instance.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Distinct warnings of the evaluation.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What the evaluation has cost, if it was done and the agent tells.
    pub fn statistics(&self) -> Option<&Statistics> {
        self.statistics.as_ref()
    }

    /// Why the evaluation as a whole did not work, if it did not.
    pub fn fatal(&self) -> Option<&Fatal> {
        self.fatal.as_ref()
    }

    /// Attributes by kind of outcome.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for attribute in &self.attributes {
            tally.count(&attribute.outcome);
        }
        tally
    }

    /// What the run comes to, as far as it is known.
    pub fn finding(&self) -> Finding {
        let tally = self.tally();
        if self.cancelled {
            Finding::Cancelled
        } else if self.fatal.is_some() || tally.bad() > 0 {
            Finding::Failed
        } else if tally.cancelled > 0 {
            Finding::Cancelled
        } else {
            Finding::Succeeded
        }
    }
}
