use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::nix::{AttrPath, System};
use crate::repo_config;
use crate::run_roots::{RunFolders, RunName};

/// What to evaluate, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where the flake is.
    pub source: Source,
    /// The attribute whose children are jobs, e.g. `checks`.
    pub attribute: AttrPath,
    /// Systems to evaluate; empty means all.
    pub systems: Vec<System>,
    /// Which evaluator to use.
    pub engine: EngineChoice,
    /// When to give up.
    pub limits: Limits,
    /// What the evaluator may see and do.
    pub isolation: Isolation,
    /// A folder with secrets for private inputs, which is removed at the end. Evaluators see them
    /// in the sandbox only.
    pub credentials: Option<PathBuf>,
    /// Whether error texts carry the whole stack trace.
    pub show_trace: bool,
    /// How every derivation found is kept from the garbage collector.
    pub keeping: Keeping,
    /// Where results are remembered, and looked for first. Only of checkouts.
    pub memory: Option<Memory>,
    /// Warnings that belong to the request itself; they are told first.
    pub warnings: Vec<String>,
}

/// How long derivations are kept from the garbage collector, by links.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Keeping {
    /// No longer than the evaluation itself needs them.
    #[default]
    Nothing,
    /// As long as the links in this folder are there.
    Folder(PathBuf),
    /// Until the run is released.
    Run {
        /// Which.
        name: RunName,
        /// Where its folder may be.
        folders: RunFolders,
        /// Runs of the same master that still need what they have. With this, what earlier ones
        /// left behind is removed.
        live: Option<BTreeSet<u64>>,
    },
}

/// The memory of evaluations as one evaluation uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The folder that has it.
    pub directory: PathBuf,
    /// Only evaluations of the same scope know each other's results.
    pub scope: String,
    /// What this evaluation is called where its result is used again.
    pub label: Option<String>,
    /// Whether to evaluate though there is a result.
    pub is_renewed: bool,
}

/// Where a flake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flake reference as a person writes it, without `#`.
    Reference(String),
    /// A checkout on this machine, as CI makes it.
    Checkout {
        /// The root of the checkout.
        directory: PathBuf,
        /// Folder of the flake below it, `.` for the root itself.
        flake_dir: String,
        /// Lock file below the flake's folder.
        lock_file: String,
    },
}

/// Which evaluator to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineChoice {
    /// nix-eval-jobs if it is on PATH and works, else Nix itself.
    #[default]
    Auto,
    /// Nix itself.
    Nix,
    /// nix-eval-jobs.
    NixEvalJobs,
}

/// What an evaluator may see and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// Whether it runs in bubblewrap.
    pub sandbox: SandboxChoice,
    /// What it can read there besides what every evaluator can.
    pub sandbox_paths: Vec<PathBuf>,
    /// Name of the folder where it keeps what it fetched, among evaluations that may share it;
    /// without one, the sandbox keeps nothing.
    pub fetch_cache: Option<String>,
    /// Settings that are taken from the flake's `nixConfig`: values by name. A list counts as its
    /// items with blanks between.
    pub nix_config_allow: BTreeMap<String, Vec<String>>,
    /// Whether it may build what the evaluation itself needs.
    pub import_from_derivation: bool,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            sandbox: SandboxChoice::default(),
            sandbox_paths: Vec::new(),
            fetch_cache: None,
            nix_config_allow: BTreeMap::new(),
            import_from_derivation: true,
        }
    }
}

/// Whether evaluators run in bubblewrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SandboxChoice {
    /// Where it works; elsewhere a warning says that it does not.
    Auto,
    /// Where it does not work, nothing is evaluated.
    Required,
    /// No.
    #[default]
    Off,
}

/// When an evaluation gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Number of evaluator processes; `None` means the part of the machine that is this
    /// evaluation's when nobody says how many.
    pub workers: Option<usize>,
    /// Memory of one evaluator process in MiB. It is started anew when it has more than this
    /// between two attributes, and killed when it has half as much again.
    pub memory: u64,
    /// Time for the whole evaluation.
    pub total: Option<Duration>,
    /// Time for one attribute.
    pub attribute: Duration,
    /// Time for which an evaluator may say nothing, also while it loads the flake.
    pub silence: Duration,
}

impl Limits {
    /// Memory above which an evaluator process is killed, in MiB.
    pub fn most_memory(&self) -> u64 {
        self.memory.saturating_mul(3) / 2
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: None,
            memory: 4096,
            total: Some(Duration::from_secs(3600)),
            attribute: Duration::from_secs(600),
            silence: Duration::from_secs(1200),
        }
    }
}

impl Request {
    /// A request for `attribute` of `source` on this machine's system, all else as by default.
    pub fn new(source: Source, attribute: AttrPath) -> Self {
        Self {
            source,
            attribute,
            systems: host_system().into_iter().collect(),
            engine: EngineChoice::default(),
            limits: Limits::default(),
            isolation: Isolation::default(),
            credentials: None,
            show_trace: false,
            keeping: Keeping::Nothing,
            memory: None,
            warnings: Vec::new(),
        }
    }

    /// A request for the checkout at `directory`, as its own settings file wants it.
    pub fn checkout(directory: &Path) -> Self {
        let (config, warnings) = repo_config::read(directory);
        let source = Source::Checkout {
            directory: directory.to_owned(),
            flake_dir: config.flake_dir,
            lock_file: config.lock_file,
        };
        Self {
            warnings,
            ..Self::new(source, config.attribute)
        }
    }
}

/// The system of this machine, `None` if Nix does not know such.
pub fn host_system() -> Option<System> {
    let cpu = match std::env::consts::ARCH {
        "x86" => "i686",
        "arm" => "armv7l",
        "loongarch64" | "riscv64" | "x86_64" | "aarch64" | "powerpc64" | "s390x" => {
            std::env::consts::ARCH
        }
        _ => return None,
    };
    let kernel = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    format!("{cpu}-{kernel}").parse().ok()
}
