//! The two evaluators behind one trait.

use std::ffi::OsString;
use std::sync::Arc;

use super::budget::{Budget, Groups};
use super::eval_jobs::{self, JobsCommand};
use super::flake::Flake;
use super::found::{Found, Outlet};
use super::gc_roots::GcRoots;
use super::repl::{self, Setup};
use super::sandbox::Sandbox;
use super::tools::EvalJobs;
use super::walk::{Known, Selection};
use super::{EngineChoice, Request, tools};
use crate::error::Error;
use crate::process::CommandSpec;

/// Options of both. Experimental features are switched on because a machine may have them off.
/// Settings of the flake are not accepted: they come from who wrote it, not from who runs this.
/// The cache would be written for nothing: no tree is evaluated twice.
const OPTIONS: [&str; 10] = [
    "--extra-experimental-features",
    "nix-command flakes",
    "--log-format",
    "internal-json",
    "--option",
    "accept-flake-config",
    "false",
    "--option",
    "eval-cache",
    "false",
];

/// Something that evaluates a flake.
pub(super) trait Engine: Sync {
    /// Its name in machine lines.
    fn name(&self) -> &'static str;
    /// Its version.
    fn version(&self) -> &str;
    /// Everything about it that has a say in the results.
    fn identity(&self) -> Vec<OsString>;
    /// Evaluates with what `budget` allows, and puts whatever it finds into `outlet` as soon as it
    /// is known.
    fn evaluate(&self, budget: &Budget, outlet: &Outlet<'_>) -> Result<(), Error>;
}

/// The engine for `request`, ready to evaluate `flake`, and what the admin should know of the
/// choice.
pub(super) fn choose(
    request: &Request,
    flake: &Flake,
    sandbox: &Sandbox,
    roots: Option<&GcRoots>,
) -> Result<(Box<dyn Engine>, Option<String>), Error> {
    let version = sandbox.nix_version()?;
    let nix = NixEngine {
        setup: setup(request, flake, sandbox, &version),
        version,
    };
    if request.engine == EngineChoice::Nix {
        return Ok((Box::new(nix), None));
    }
    match tools::eval_jobs(sandbox) {
        Ok(program) => {
            let command = JobsCommand {
                groups: nix.setup.groups.clone(),
                ..jobs_command(request, flake, sandbox, roots)
            };
            let engine = EvalJobsEngine {
                program,
                command,
                nix,
            };
            Ok((Box::new(engine), None))
        }
        Err(reason) if request.engine == EngineChoice::NixEvalJobs => Err(Error::Nix {
            message: format!("cannot run `nix-eval-jobs`: {reason}"),
            hint: Some("put nix-eval-jobs on PATH, or use the engine `nix`".to_owned()),
        }),
        Err(reason) => {
            let warning = tools::has_eval_jobs().then(|| {
                format!("nix-eval-jobs does not work here, so Nix itself evaluates: {reason}")
            });
            Ok((Box::new(nix), warning))
        }
    }
}

/// Nix itself.
struct NixEngine {
    version: String,
    setup: Setup,
}

impl NixEngine {
    fn selection(&self) -> Selection {
        Selection {
            systems: self.setup.systems.clone(),
            known: None,
        }
    }
}

impl Engine for NixEngine {
    fn name(&self) -> &'static str {
        "nix"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn identity(&self) -> Vec<OsString> {
        let mut identity = vec![self.name().into(), self.version().into()];
        identity.extend(self.setup.plain.argv.iter().cloned());
        identity
    }

    fn evaluate(&self, budget: &Budget, outlet: &Outlet<'_>) -> Result<(), Error> {
        let selection = self.selection();
        let mut opened = repl::open(&self.setup, outlet)?;
        opened.walk(&selection, budget)?;
        opened.count_others(&selection);
        Ok(())
    }
}

/// nix-eval-jobs, with Nix for what it leaves out.
struct EvalJobsEngine {
    program: EvalJobs,
    command: JobsCommand,
    nix: NixEngine,
}

impl Engine for EvalJobsEngine {
    fn name(&self) -> &'static str {
        "nix-eval-jobs"
    }

    fn version(&self) -> &str {
        &self.program.version
    }

    fn identity(&self) -> Vec<OsString> {
        let mut identity = vec![self.name().into(), self.program.identity.clone()];
        identity.extend(self.nix.identity());
        identity
    }

    fn evaluate(&self, budget: &Budget, outlet: &Outlet<'_>) -> Result<(), Error> {
        let mut selection = self.nix.selection();
        let mut opened = repl::open(&self.nix.setup, outlet)?;
        let mut known = Known::default();
        outlet.send(Found::Evaluators(budget.share().evaluators));
        eval_jobs::evaluate(
            &self.command,
            opened.names(),
            &selection,
            budget,
            outlet,
            &mut known,
        )?;
        selection.known = Some(known);
        opened.walk(&selection, budget)?;
        opened.count_others(&selection);
        Ok(())
    }
}

/// Cache status is not asked for: it costs nearly all of the time, and is looked up for all jobs
/// together later.
fn jobs_command(
    request: &Request,
    flake: &Flake,
    sandbox: &Sandbox,
    roots: Option<&GcRoots>,
) -> JobsCommand {
    let mut base = CommandSpec::new("nix-eval-jobs")
        .args(OPTIONS)
        .args(["--force-recurse"]);
    // From inside a sandbox it cannot write there; every job becomes a root a moment later anyway.
    if let Some(roots) = roots.filter(|_| !sandbox.is_closed()) {
        base = base.args([
            "--gc-roots-dir".into(),
            roots.directory().as_os_str().to_owned(),
        ]);
    }
    if request.show_trace {
        base = base.args(["--show-trace"]);
    }
    JobsCommand {
        base: sandbox.command(with_import(base, request).args(flake.options.iter().cloned())),
        reference: flake.reference.clone(),
        root: request.attribute.clone(),
        attribute: request.limits.attribute,
        silence: request.limits.silence,
        most_memory: request.limits.most_memory(),
        groups: None,
    }
}

/// What Nix itself would do is said too: the machine's settings may say otherwise.
fn with_import(command: CommandSpec, request: &Request) -> CommandSpec {
    let allowed = request.isolation.import_from_derivation.to_string();
    command.args(["--option", "allow-import-from-derivation", &allowed])
}

fn setup(request: &Request, flake: &Flake, sandbox: &Sandbox, version: &str) -> Setup {
    let mut command = CommandSpec::new("nix")
        .args(["repl"])
        .args(OPTIONS)
        .args(tools::repl_features(version))
        .args([
            "--pure-eval",
            // A lock file that lacks something is an error, not completed in passing.
            "--no-update-lock-file",
        ]);
    if request.show_trace {
        command = command.args(["--show-trace"]);
    }
    let command = with_import(command, request)
        .args(flake.options.iter().cloned())
        .args([flake.reference.as_str()]);
    Setup {
        command: sandbox.command(command.clone()),
        plain: command,
        flake: flake.reference.clone(),
        root: request.attribute.clone(),
        systems: request.systems.clone(),
        limits: request.limits.clone(),
        groups: Groups::find().map(Arc::new),
    }
}
