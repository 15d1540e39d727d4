//! Machine lines: what the agent on a worker prints on stdout for the master.
//!
//! One JSON object a line, its `type` says which. The format is documented for others in
//! docs/machine-lines.md; [`VERSION`] changes when an old reader would misunderstand a new line.
//! New fields and new types may be added without that: readers ignore what they do not know.
//!
//! The text is ASCII (everything else is escaped) and a physical line is short, because a stock
//! buildbot-worker cuts lines at 4,096 characters and decodes chunk by chunk; see [`encode`].

mod decode;
mod encode;
#[cfg(any(test, fuzzing))]
pub mod fuzz;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use decode::{Decoder, ProtocolError};
pub use encode::encode;

use crate::error::Error;
use crate::nix::{AttrPath, DrvPath, StorePath, System};

/// Version of the format, in every [`Start`] line.
pub const VERSION: u32 = 1;

/// How many attributes [`Skipped::attr_paths`] lists at most.
pub const LISTED_MAX: usize = 1000;

/// One machine line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Line {
    /// First line of an evaluation.
    Start(Start),
    /// What follows was found out by an earlier evaluation of the same files.
    Reused {
        /// What that evaluation was called; the master names its build by URL.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// Something a person should know that is no error, e.g. a bad value in the repository file.
    Warning {
        /// For people, without trailing newline.
        message: String,
    },
    /// A [`Line::Warning`] that was said more than once. Comes near the end.
    Repeated {
        /// That warning's message.
        message: String,
        /// How often it was said in all.
        count: u64,
    },
    /// An attribute that is a derivation of a wanted system.
    Job(Job),
    /// An attribute that could not be evaluated. The evaluation of the others goes on.
    Failed(Failed),
    /// Attributes that exist but are not for this instance (another system).
    Skipped(Skipped),
    /// What the evaluation has cost; the last line but one.
    Statistics(Statistics),
    /// Last line of an evaluation that went to its end, whatever its attributes did.
    Done {
        /// Number of [`Line::Job`] lines printed.
        jobs: u64,
        /// Number of [`Line::Failed`] lines printed.
        failed: u64,
    },
    /// The whole command could not do its work: no flake, no such attribute, no Nix. Nothing
    /// follows.
    Fatal {
        /// What was tried, on what, and what came of it.
        message: String,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// Whether it may go well in a moment, without anybody doing something about it.
        #[serde(
            default,
            rename = "mayPass",
            skip_serializing_if = "std::ops::Not::not"
        )]
        may_pass: bool,
    },
    /// Result of `buildbot-nix build`, its only line.
    Outcome(Outcome),
    /// Result of `buildbot-nix checkout`, its only line.
    Checkout(Checkout),
    /// Result of `buildbot-nix upload`, its only line.
    Uploaded(Uploaded),
    /// A line of a type that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Line {
    /// The last line of a command that ends with `error`.
    pub fn fatal(error: &Error) -> Self {
        Self::Fatal {
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
            may_pass: matches!(error, Error::DaemonLost(_)),
        }
    }
}

/// How an evaluation is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Evaluator, `nix` or `nix-eval-jobs`.
    pub engine: String,
    /// What the evaluator says its version is.
    pub engine_version: String,
    /// The attribute of the flake whose children are jobs, e.g. `checks`.
    pub attribute: String,
    /// Folder of the flake below the checkout.
    pub flake_dir: String,
    /// Systems whose attributes are evaluated; empty means all.
    pub systems: Vec<System>,
}

/// One attribute to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// [`Job::attr_path`] for people, as nix-eval-jobs writes it.
    pub attr: String,
    /// Where it stands below the evaluated attribute.
    pub attr_path: AttrPath,
    /// The derivation's name.
    pub name: String,
    /// The system it builds on.
    pub system: System,
    /// The derivation.
    pub drv_path: DrvPath,
    /// Output paths by output name; `None` where the path is only known after the build.
    pub outputs: BTreeMap<String, Option<StorePath>>,
    /// Whether there is anything to do.
    pub cache_status: CacheStatus,
    /// Jobs printed before this one that it needs, nearest only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<DrvPath>,
    /// Jobs printed before this one that need it, nearest only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed_by: Vec<DrvPath>,
}

/// Where a job's outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CacheStatus {
    /// In the local store: nothing to do.
    Local,
    /// Can be fetched from a substituter.
    Cached,
    /// Must be built.
    NotBuilt,
}

/// An attribute that does not evaluate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// [`Failed::attr_path`] for people.
    pub attr: String,
    /// Where it stands below the evaluated attribute.
    pub attr_path: AttrPath,
    /// The evaluator's message, without colours.
    pub error: String,
    /// Where in the repository that is, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A place in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Below the root of the checkout, with slashes.
    pub file: String,
    /// Counted from one.
    pub line: u32,
    /// Counted from one.
    pub column: u32,
}

/// Attributes of a system that this instance does not build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// Their system, or the name that stands where a system is expected.
    pub system: String,
    /// How many there are, where that can be told without evaluating them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<u64>,
    /// Those that were looked at one by one, because only their derivation says for which system
    /// they are. Not more than [`LISTED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attr_paths: Vec<AttrPath>,
}

/// What an evaluation has cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Wall time in seconds.
    pub seconds: f64,
    /// How many evaluators ran at once, at most.
    pub evaluators: u64,
    /// The most memory that one of them had, in MiB, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The attributes that took longest, the longest first. Sets take time of their own.
    #[serde(default)]
    pub slowest: Vec<Slow>,
    /// The attributes for which most was allocated, the largest first; none if the evaluator does
    /// not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub largest: Vec<Large>,
}

/// An attribute that took long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slow {
    /// Its path for people.
    pub attr: String,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// An attribute for which much was allocated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Large {
    /// Its path for people.
    pub attr: String,
    /// What was allocated, whether it was freed again or not.
    pub bytes: u64,
}

/// What became of one build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The verdict.
    pub result: BuildResult,
    /// What was asked for.
    pub drv_path: DrvPath,
    /// Output paths by output name, as far as they exist.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, StorePath>,
    /// The derivation whose builder failed; another than `drv_path` if a dependency did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_drv: Option<DrvPath>,
    /// One sentence for people if it did not go well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether it may go well in a while, without anybody doing something about it. Only with
    /// [`BuildResult::Transient`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_pass: bool,
    /// Whether a limit ended it, which may be enough another time. Only with
    /// [`BuildResult::Failed`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exceeded: bool,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Number of derivations whose builder ran.
    #[serde(default)]
    pub built: u64,
    /// Number of paths fetched.
    #[serde(default)]
    pub substituted: u64,
}

/// What a working tree holds now. Hashes are git's, whole, in lower case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkout {
    /// The commit that was asked for, or the tip of the branch that was.
    pub revision: String,
    /// The commit that is checked out: `revision`, or its merge with `base`.
    pub commit: String,
    /// The files of `commit`: equal for equal files, whatever the history.
    pub tree: String,
    /// The tip of `base_branch`, which `commit` contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The branch into which a pull request is to be merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// Whether the branch that was named has `revision`. Never of what is merged.
    #[serde(default)]
    pub on_branch: bool,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// What became of what waited for a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Uploaded {
    /// What the settings call it.
    pub cache: String,
    /// Paths that were uploaded, with what they refer to.
    pub uploaded: u64,
    /// Paths that still wait.
    pub waiting: u64,
    /// Paths that are not tried any more.
    #[serde(default)]
    pub dropped: u64,
    /// Why not all went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Uploaded {
    /// In one line.
    pub fn summary(&self) -> String {
        let mut text = match (self.uploaded, self.waiting) {
            (0, 0) => format!("{}: nothing to upload", self.cache),
            (uploaded, 0) => format!("{}: {uploaded} uploaded", self.cache),
            (uploaded, waiting) => {
                format!("{}: {uploaded} uploaded, {waiting} still wait", self.cache)
            }
        };
        if self.dropped > 0 {
            let _ = write!(text, ", {} given up", self.dropped);
        }
        if let Some(message) = &self.message {
            let _ = write!(text, ": {message}");
        }
        text
    }
}

/// The verdict on a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BuildResult {
    /// All outputs are there now, or were before.
    Succeeded,
    /// A builder failed, exceeded a limit, or made something that Nix refuses.
    Failed,
    /// The machine's fault, not the derivation's: no Nix, no disk space, daemon gone.
    Transient,
    /// Stopped on request.
    Cancelled,
}
