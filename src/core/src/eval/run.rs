use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::assemble::Assembler;
use super::budget::Budget;
use super::collect::{End, collect};
use super::daemon_lost::is_daemon_lost;
use super::engine::{self, Engine};
use super::flake::Flake;
use super::found::Outlet;
use super::gc_roots::GcRoots;
use super::places::Places;
use super::remember::{self, Remembering};
use super::sandbox::{Credentials, Sandbox};
use super::{Event, Keeping, Request, Source, Summary};
use crate::error::Error;
use crate::machine_line::{self, Line, Start};
use crate::process::stop_requested;
use crate::reuse::Key;

/// Findings that may wait. An engine that finds more, or a flake that prints without end, waits.
const FINDINGS_MAX: usize = 1000;

/// Evaluates what `request` asks for. Every event goes to `sink`; [`ControlFlow::Break`] stops the
/// evaluation with [`Error::Stopped`], as does a signal ([`stop_requested`]).
///
/// An error means that the evaluation as a whole did not work ([`Error::Eval`]: by fault of the
/// flake, else of this machine); an attribute that fails is an event.
pub fn run(
    request: &Request,
    sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Summary, Error> {
    let started = Instant::now();
    thread::scope(|scope| {
        // That takes several processes; so does what has to be done before it is needed.
        let files = scope.spawn(|| remember::files(request));
        run_with(request, sink, started, || {
            files.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    })
}

fn run_with(
    request: &Request,
    sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
    started: Instant,
    files: impl FnOnce() -> Option<Key>,
) -> Result<Summary, Error> {
    // First, so that they are gone afterwards whatever happens.
    let credentials = request.credentials.as_deref().map(Credentials::open);
    let credentials = credentials.transpose()?;
    let flake = Flake::find(&request.source)?;
    let sandbox = Sandbox::open(request, credentials.as_ref())?;
    let (roots, problem) = match GcRoots::of(&request.keeping) {
        // Who names a folder wants that one.
        Err(error) if matches!(request.keeping, Keeping::Folder(_)) => return Err(error),
        Err(error) => (None, Some(error)),
        Ok(roots) => (roots, None),
    };
    let (engine, notice) = engine::choose(request, &flake, &sandbox, roots.as_ref())?;
    let mut assembler = Assembler::new(sink, roots, Places::of(&request.source));
    assembler.line(Line::Start(start(request, engine.as_ref())));
    for warning in request
        .warnings
        .iter()
        .chain(&sandbox.warnings)
        .chain(&notice)
    {
        assembler.warn(warning.clone());
    }
    if let Some(error) = &problem {
        assembler.warn_of_roots(error);
    }

    let memory = Remembering::of(request, engine.as_ref(), files());
    if let Some(memory) = &memory
        && memory.replay(&mut assembler)?
    {
        return assembler.finish();
    }
    let end = End {
        started,
        limit: request.limits.total,
    };
    let (budget, problem) = Budget::open(&request.limits);
    if let Some(problem) = problem {
        assembler.warn(format!(
            "other evaluations on this machine are not taken into account: {problem}"
        ));
    }
    if let Err(error) = evaluate(engine.as_ref(), &budget, &mut assembler, end) {
        assembler.end();
        return Err(error);
    }
    if let Some(memory) = &memory
        && let Some(result) = assembler.take_lasting()?
        && let Err(error) = memory.remember(result)
    {
        assembler.warn(format!("the result is not remembered: {error}"));
    }
    assembler.finish()
}

/// Evaluates all, to its end.
fn evaluate(
    engine: &dyn Engine,
    budget: &Budget,
    assembler: &mut Assembler<'_>,
    end: End,
) -> Result<(), Error> {
    let stop = AtomicBool::new(false);
    let (sender, findings) = mpsc::sync_channel(FINDINGS_MAX);
    let outlet = Outlet::new(sender, &stop);
    let evaluated = thread::scope(|scope| {
        let evaluation = scope.spawn(move || engine.evaluate(budget, &outlet));
        let collected = collect(&findings, assembler, end);
        stop.store(true, Ordering::Relaxed);
        // Nobody listens any more, so the engine cannot wait for anyone.
        drop(findings);
        let evaluated = evaluation
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic));
        collected.and(evaluated)
    });
    evaluated.map_err(|error| match error {
        Error::Eval { message, .. } if is_daemon_lost(&message) => Error::DaemonLost(message),
        other => other,
    })?;
    if assembler.is_unwanted() || stop_requested() {
        return Err(Error::Stopped);
    }
    Ok(())
}

fn start(request: &Request, engine: &dyn Engine) -> Start {
    Start {
        version: machine_line::VERSION,
        engine: engine.name().to_owned(),
        engine_version: engine.version().to_owned(),
        attribute: request.attribute.to_string(),
        flake_dir: match &request.source {
            Source::Reference(_) => ".".to_owned(),
            Source::Checkout { flake_dir, .. } => flake_dir.clone(),
        },
        systems: request.systems.clone(),
    }
}
