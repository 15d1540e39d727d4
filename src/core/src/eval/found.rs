use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::edges::Added;
use super::event::Current;
use crate::machine_line::{CacheStatus, Job};
use crate::nix::{AttrPath, DrvPath, StorePath, System};
use crate::process::stop_requested;

/// What an engine tells about the flake, one thing at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// An attribute that is a derivation of a wanted system.
    Job(FoundJob),
    /// An attribute that does not evaluate, or is nothing that can be built.
    Failed { attr_path: AttrPath, error: String },
    /// A derivation for a system that nobody asked for.
    Unwanted { attr_path: AttrPath, system: String },
    /// All attributes of a system that nobody asked for; `None` if their number is not known.
    OtherSystem {
        system: String,
        attributes: Option<u64>,
    },
    /// Something happened that another evaluation may not meet; this one is not to be remembered.
    Passing,
    /// The evaluator warns.
    Warning(String),
    /// The evaluator warns while it loads the flake, as every other will.
    LoadWarning(String),
    /// The evaluator says something else.
    Text(String),
    /// How far the engine is.
    Progress {
        known: u64,
        finished: u64,
        current: Vec<Current>,
    },
    /// What an attribute, or a set of them, has cost.
    Took {
        attr_path: AttrPath,
        time: Duration,
        /// What was allocated, if the engine tells.
        bytes: Option<u64>,
    },
    /// So many evaluators run now.
    Evaluators(usize),
    /// The most memory that an evaluator had so far, in MiB.
    Memory(u64),
}

/// An attribute that is a derivation, before anything was looked up in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundJob {
    pub(super) attr_path: AttrPath,
    pub(super) name: String,
    pub(super) system: System,
    pub(super) drv_path: DrvPath,
    /// As the evaluator says, if it says anything.
    pub(super) outputs: BTreeMap<String, Option<StorePath>>,
}

impl FoundJob {
    /// The line about it, once its derivation was looked at.
    pub(super) fn with(self, added: Added) -> Job {
        Job {
            attr: self.attr_path.to_string(),
            attr_path: self.attr_path,
            name: self.name,
            system: self.system,
            drv_path: self.drv_path,
            // The derivation itself is surer than what an attribute says about it.
            outputs: added.drv.map_or(self.outputs, |drv| drv.outputs),
            cache_status: CacheStatus::NotBuilt,
            needs: added.needs,
            needed_by: added.needed_by,
        }
    }
}

/// Where engines put what they find; every thread has its own clone.
#[derive(Debug, Clone)]
pub(super) struct Outlet<'a> {
    sender: SyncSender<Found>,
    stop: &'a AtomicBool,
}

impl<'a> Outlet<'a> {
    /// `stop` tells the engine that nobody wants more.
    pub(super) fn new(sender: SyncSender<Found>, stop: &'a AtomicBool) -> Self {
        Self { sender, stop }
    }

    /// Hands over one finding. Waits while many are waiting to be looked at.
    pub(super) fn send(&self, found: Found) {
        if self.sender.send(found).is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the engine is to end now.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || stop_requested()
    }
}
