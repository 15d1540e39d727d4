use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::assemble::Assembler;
use super::engine::{self, Engine};
use super::flake::Flake;
use super::found::{Found, Outlet};
use super::remember::Remembering;
use super::sandbox::Sandbox;
use super::{Event, Request, Source, Summary};
use crate::error::Error;
use crate::machine_line::{self, Line, Start};
use crate::process::stop_requested;

/// How often the wish to stop is looked at at least.
const POLL: Duration = Duration::from_millis(100);

/// Evaluates what `request` asks for. Every event goes to `sink`; [`ControlFlow::Break`] stops the
/// evaluation with [`Error::Stopped`], as does a signal ([`stop_requested`]).
///
/// An error means that the evaluation as a whole did not work ([`Error::Eval`]: by fault of the
/// flake, else of this machine); an attribute that fails is an event.
pub fn run(
    request: &Request,
    sink: &mut dyn FnMut(Event) -> ControlFlow<()>,
) -> Result<Summary, Error> {
    let deadline = request.limits.total.map(|limit| Instant::now() + limit);
    let flake = Flake::find(&request.source)?;
    let sandbox = Sandbox::open(request)?;
    let engine = engine::choose(request, &flake, &sandbox)?;
    let mut assembler = Assembler::new(sink, request.gc_roots_dir.as_deref())?;
    assembler.line(Line::Start(start(request, engine.as_ref())));
    for warning in request.warnings.iter().chain(&sandbox.warnings) {
        assembler.warn(warning.clone());
    }

    let memory = Remembering::of(request, engine.as_ref());
    if let Some(memory) = &memory
        && memory.replay(&mut assembler)?
    {
        return assembler.finish();
    }
    if let Err(error) = evaluate(engine.as_ref(), &mut assembler, deadline) {
        assembler.end();
        return Err(error);
    }
    if let Some(memory) = &memory
        && let Some(lines) = assembler.take_lasting()?
        && let Err(error) = memory.remember(&lines)
    {
        assembler.warn(format!("the result is not remembered: {error}"));
    }
    assembler.finish()
}

/// Evaluates all, to its end.
fn evaluate(
    engine: &dyn Engine,
    assembler: &mut Assembler<'_>,
    deadline: Option<Instant>,
) -> Result<(), Error> {
    let stop = AtomicBool::new(false);
    let (sender, findings) = mpsc::channel();
    let outlet = Outlet::new(sender, &stop);
    let evaluated = thread::scope(|scope| {
        let evaluation = scope.spawn(move || engine.evaluate(&outlet));
        let collected = collect(&findings, assembler, deadline);
        stop.store(true, Ordering::Relaxed);
        // Nobody listens any more, so the engine cannot wait for anyone.
        drop(findings);
        let evaluated = evaluation
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        collected.and(evaluated)
    });
    evaluated?;
    if assembler.is_unwanted() || stop_requested() {
        return Err(Error::Stopped);
    }
    Ok(())
}

/// Takes what the engine finds until it is done.
fn collect(
    findings: &Receiver<Found>,
    assembler: &mut Assembler<'_>,
    deadline: Option<Instant>,
) -> Result<(), Error> {
    loop {
        match findings.recv_timeout(assembler.patience().min(POLL)) {
            Ok(found) => assembler.take(found)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        assembler.tick()?;
        if assembler.is_unwanted() || stop_requested() {
            return Err(Error::Stopped);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::Eval {
                message: "the evaluation was stopped because it took too long".to_owned(),
                hint: Some("raise the limit for a whole evaluation (`--timeout`)".to_owned()),
            });
        }
    }
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
