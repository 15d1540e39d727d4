use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Instant;

use super::activities::Finished;
use super::child;
use super::command;
use super::derivation::{self, Outputs, Unreadable};
use super::log::Log;
use super::outcome;
use super::render::Renderer;
use super::request::Request;
use super::store;
use super::stream::Stream;
use super::verdict::{self, Facts, Halt, Verdict};
use crate::error::Error;
use crate::machine_line::{BuildResult, Outcome};
use crate::nix::{DrvPath, StorePath};
use crate::results::GcRoot;

/// Builds, fetches or finds the outputs of `request.drv_path`, and protects them.
///
/// `stop` is asked about ten times a second whether to give up. Everything that can become of a
/// build, a machine that cannot build included, is an [`Outcome`]; an error means that `log` could
/// not be written.
pub fn realise(
    request: &Request,
    stop: &dyn Fn() -> bool,
    log: &mut dyn Log,
) -> Result<Outcome, Error> {
    let mut build = Build {
        request,
        stop,
        begun: Instant::now(),
        outputs: Outputs::new(),
        warning: None,
        log,
    };
    build
        .run()
        .map_err(|error| Error::io("write", "the log", error))
}

struct Build<'a> {
    request: &'a Request,
    stop: &'a dyn Fn() -> bool,
    begun: Instant,
    outputs: Outputs,
    /// Something that is worth a message but no reason to fail.
    warning: Option<String>,
    log: &'a mut dyn Log,
}

impl<'a> Build<'a> {
    fn run(&mut self) -> io::Result<Outcome> {
        let drv = &self.request.drv_path;
        match derivation::outputs(drv) {
            Ok(outputs) => self.outputs = outputs,
            Err(Unreadable::Missing) => return Ok(self.outcome(missing(drv))),
            Err(Unreadable::Io(error)) => {
                return Ok(
                    self.outcome(Verdict::transient(format!("cannot read `{drv}`: {error}")))
                );
            }
            // Nix decides; only the output paths are not known beforehand.
            Err(Unreadable::Malformed(why)) => {
                self.say(&format!(
                    "the outputs of `{drv}` cannot be told beforehand: {why}"
                ))?;
            }
        }
        if self.outputs_valid() && self.protect_outputs()? {
            self.say(&format!("`{}` is in the store already", drv.name()))?;
            return Ok(self.outcome(Verdict::succeeded()));
        }
        if (self.stop)() {
            return Ok(self.outcome(Verdict::cancelled()));
        }
        self.build()
    }

    fn build(&mut self) -> io::Result<Outcome> {
        let gc_root = self.prepare_gc_root()?;
        let staged = gc_root.as_ref().map(GcRoot::staged);
        let command = command::build(self.request, staged);
        let mut stream = Stream::new(self.request, self.begun, self.stop, self.log);
        let ended = child::run(&command, &mut stream);
        let (stream, halt) = stream.finish()?;
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => return Ok(self.outcome(cannot_run(&error))),
        };
        if ended.status.success() {
            outcome::complete(&mut self.outputs, &ended.stdout, &self.request.drv_path);
            if let Some(Err(why)) = gc_root.map(|gc_root| self.publish(&gc_root)) {
                self.warn(verdict::no_root(&why))?;
            }
        }
        let finished = stream.activities().finished();
        self.log.text(outcome::timings(finished).as_bytes())?;
        let verdict = self.judge(&stream, halt, ended.status)?;
        let mut built = self.outcome(verdict);
        let drvs: BTreeSet<&str> = finished
            .iter()
            .map(|finished| finished.drv.as_str())
            .collect();
        built.built = drvs.len() as u64;
        built.substituted = stream.activities().fetched();
        Ok(built)
    }

    /// Finds out what failed, says so at the end of the log, and decides.
    fn judge(
        &mut self,
        stream: &Renderer,
        halt: Option<Halt>,
        status: std::process::ExitStatus,
    ) -> io::Result<Verdict> {
        let errors: Vec<&str> = stream.errors().collect();
        let mut facts = Facts {
            request: self.request,
            halt,
            status,
            outputs_valid: false,
            failed: &[],
            failures: stream.activities().failures(),
            errors: &errors,
        };
        // The stop of a user must not wait for questions to the store.
        if status.success() || halt == Some(Halt::Stopped) {
            return Ok(verdict::decide(&facts));
        }
        facts.outputs_valid = self.outputs_valid() && self.protect_outputs()?;
        let failed = failed_builders(stream.activities().finished());
        facts.failed = &failed;
        let verdict = verdict::decide(&facts);
        // What was merely interrupted by a failure of the machine has nothing to tell.
        if verdict.result == BuildResult::Failed {
            for failed in failed.iter().take(outcome::TAILS_MAX) {
                self.log.failure(&outcome::tail(failed))?;
            }
        }
        Ok(verdict)
    }

    /// Whether the store has all outputs, as far as that can be known.
    fn outputs_valid(&self) -> bool {
        let paths: Option<Vec<&str>> = self
            .outputs
            .values()
            .map(|path| path.as_ref().map(StorePath::as_str))
            .collect();
        let Some(paths) = paths.filter(|paths| !paths.is_empty()) else {
            return false;
        };
        // What is not there is not valid, which costs no process to find out.
        paths
            .iter()
            .all(|path| Path::new(path).symlink_metadata().is_ok())
            && store::invalid(&paths).is_some_and(|invalid| invalid.is_empty())
    }

    /// Makes the gc root of outputs that are there. Returns whether they still are.
    fn protect_outputs(&mut self) -> io::Result<bool> {
        let Some(gc_root) = self.gc_root() else {
            return Ok(true);
        };
        let protected = store::protect(&self.request.drv_path, gc_root.staged())
            .and_then(|()| self.publish(&gc_root));
        let Err(why) = protected else {
            return Ok(true);
        };
        // Collected in this very moment? Then they have to be built.
        let valid = self.outputs_valid();
        if valid {
            self.warn(verdict::no_root(&why))?;
        }
        Ok(valid)
    }

    /// The gc root that Nix itself shall make: there is no moment in which the outputs are
    /// unprotected then.
    fn prepare_gc_root(&mut self) -> io::Result<Option<GcRoot<'a>>> {
        let Some(gc_root) = self.gc_root() else {
            return Ok(None);
        };
        match store::make_parent(gc_root.staged()) {
            Ok(()) => Ok(Some(gc_root)),
            Err(why) => {
                self.warn(verdict::no_root(&why))?;
                Ok(None)
            }
        }
    }

    fn gc_root(&self) -> Option<GcRoot<'a>> {
        let request = self.request;
        let wanted = request.gc_root.as_deref()?;
        Some(GcRoot::new(wanted, &request.drv_path))
    }

    fn publish(&self, gc_root: &GcRoot<'_>) -> Result<(), String> {
        let published = gc_root.publish(&self.outputs);
        published.map_err(|error| format!("cannot name it in `{}`: {error}", gc_root.folder()))
    }

    fn warn(&mut self, warning: String) -> io::Result<()> {
        self.say(&format!("warning: {warning}"))?;
        self.warning = Some(warning);
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.log.text(format!("{text}\n").as_bytes())
    }

    fn outcome(&self, verdict: Verdict) -> Outcome {
        let mut outcome = outcome::assemble(self.request, verdict, &self.outputs);
        outcome.seconds = self.begun.elapsed().as_secs_f64();
        if outcome.message.is_none() {
            outcome.message.clone_from(&self.warning);
        }
        outcome
    }
}

/// The builders that ended without their outputs being in the store.
fn failed_builders(finished: &[Finished]) -> Vec<&Finished> {
    let outputs: Vec<Option<Vec<String>>> = finished
        .iter()
        .map(|finished| known_outputs(&finished.drv))
        .collect();
    let paths: Vec<&str> = outputs
        .iter()
        .flatten()
        .flatten()
        .map(String::as_str)
        .collect();
    let invalid = store::invalid(&paths);
    let failed =
        finished
            .iter()
            .zip(&outputs)
            .filter(|(finished, outputs)| match (outputs, &invalid) {
                (Some(outputs), Some(invalid)) => {
                    outputs.iter().any(|output| invalid.contains(output))
                }
                // Paths that only a successful build gives: go by the order of events.
                _ => finished.seems_failed,
            });
    failed.map(|(finished, _)| finished).collect()
}

/// The output paths of a derivation named by Nix, if they are known without building it.
fn known_outputs(drv: &str) -> Option<Vec<String>> {
    let drv: DrvPath = drv.parse().ok()?;
    let outputs = derivation::outputs(&drv).ok()?;
    outputs
        .into_values()
        .map(|path| path.map(String::from))
        .collect()
}

fn missing(drv: &DrvPath) -> Verdict {
    Verdict::unbuildable(format!(
        "`{drv}` is not in the store of this machine: it was garbage-collected, or evaluated on another machine; \
         restart the evaluation"
    ))
}

fn cannot_run(error: &Error) -> Verdict {
    Verdict::unbuildable(format!(
        "{error}; Nix has to be on the PATH of this process"
    ))
}
