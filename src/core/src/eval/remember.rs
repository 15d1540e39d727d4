//! An evaluation and the memory: what it is looked up by, what comes of it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::assemble::Assembler;
use super::engine::Engine;
use super::{Isolation, Memory, Request, Source};
use crate::error::Error;
use crate::reuse::{Key, Recalled, Remembered, Store, files_key};

/// Where this evaluation stands in the memory.
pub(super) struct Remembering<'r> {
    memory: &'r Memory,
    store: Store,
    key: Key,
}

/// A key for the files that are evaluated. `None` if the result may depend on something that cannot
/// be named, or nobody wants to remember it.
pub(super) fn files(request: &Request) -> Option<Key> {
    request.memory.as_ref()?;
    match &request.source {
        Source::Reference(_) => None,
        Source::Checkout {
            flake_dir,
            lock_file,
            ..
        } => files_key(&directory(request)?, flake_dir, lock_file),
    }
}

/// Where the checkout really is.
fn directory(request: &Request) -> Option<PathBuf> {
    match &request.source {
        Source::Reference(_) => None,
        Source::Checkout { directory, .. } => directory.canonicalize().ok(),
    }
}

impl<'r> Remembering<'r> {
    /// `None` if there is no `files` key, see [`files`].
    pub(super) fn of(
        request: &'r Request,
        engine: &dyn Engine,
        files: Option<Key>,
    ) -> Option<Self> {
        let memory = request.memory.as_ref()?;
        let directory = directory(request)?;
        let mut key = files?;
        // Whose fetched inputs are at hand, and with which credentials more can be had, does not
        // change what an evaluation comes to; and what could not be fetched is not remembered.
        let isolation = Isolation {
            fetch_cache: None,
            ..request.isolation.clone()
        };
        key.add("isolation", &format!("{isolation:?}"));
        key.add("scope", &memory.scope);
        key.add("attribute", &request.attribute.to_string());
        for system in &request.systems {
            key.add("system", system.as_str());
        }
        // Options are part of the command. Where the checkout is does not matter.
        let place = directory.to_str()?;
        for word in engine.identity() {
            let word: OsString = word;
            key.add("engine", &word.to_str()?.replace(place, "."));
        }
        Some(Self {
            memory,
            store: Store::new(&memory.directory),
            key,
        })
    }

    /// Hands over the result of an earlier evaluation, if there is one.
    pub(super) fn replay(&self, assembler: &mut Assembler<'_>) -> Result<bool, Error> {
        if self.memory.is_renewed {
            return Ok(false);
        }
        match self.store.recall(&self.key) {
            Recalled::Nothing => Ok(false),
            Recalled::Result(result) => assembler.replay(result),
            Recalled::Damaged(problem) => {
                assembler.warn(format!("evaluated again: {problem}"));
                Ok(false)
            }
        }
    }

    /// Keeps the result.
    pub(super) fn remember(&self, result: Remembered) -> Result<(), Error> {
        let label = self.memory.label.clone();
        self.store
            .remember(&self.key, &Remembered { label, ..result })
    }
}
