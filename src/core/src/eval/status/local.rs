use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use crate::daemon::{Client, DaemonError};
use crate::machine_line::{CacheStatus, Job};
use crate::nix::{DrvPath, StorePath};

/// Name and text of what refers to all derivations of an evaluation.
const MANIFEST: [&str; 2] = [
    "buildbot-nix-evaluation",
    "Refers to the derivations that an evaluation of buildbot-nix has found, and keeps them together.\n",
];

/// What the store has, asked over a connection of its own: one that waits for substituters
/// answers nothing else.
#[derive(Debug)]
pub(super) struct LocalStore {
    client: Option<Client>,
}

impl LocalStore {
    pub(super) fn new() -> Self {
        Self { client: None }
    }

    /// Finds the jobs whose outputs are all valid. What became of their inputs does not matter.
    pub(super) fn mark_local(&mut self, jobs: &mut [Job]) -> Result<(), DaemonError> {
        // An output whose path is not known yet may be anything.
        let is_known =
            |job: &Job| !job.outputs.is_empty() && job.outputs.values().all(Option::is_some);
        // What is not there is not valid: a flake whose outputs are all new costs no question.
        let mut seen: HashMap<&StorePath, bool> = HashMap::new();
        let mut is_there = |path| {
            *seen
                .entry(path)
                .or_insert_with(|| Path::new(path.as_str()).symlink_metadata().is_ok())
        };
        let candidates: Vec<usize> = (0..jobs.len())
            .filter(|index| {
                jobs.get(*index).is_some_and(|job| {
                    is_known(job) && job.outputs.values().flatten().all(&mut is_there)
                })
            })
            .collect();
        let paths: HashSet<&StorePath> = candidates
            .iter()
            .filter_map(|index| jobs.get(*index))
            .flat_map(|job| job.outputs.values().flatten())
            .collect();
        if paths.is_empty() {
            return Ok(());
        }
        let paths: Vec<&StorePath> = paths.into_iter().collect();
        let valid = self.valid(&paths)?;
        for index in candidates {
            if let Some(job) = jobs.get_mut(index)
                && job
                    .outputs
                    .values()
                    .flatten()
                    .all(|path| valid.contains(path))
            {
                job.cache_status = CacheStatus::Local;
            }
        }
        Ok(())
    }

    /// Those of `paths` that are valid.
    fn valid(&mut self, paths: &[&StorePath]) -> Result<HashSet<StorePath>, DaemonError> {
        self.ask(|client| client.valid_paths(paths))
    }

    /// Whether all of `drvs` are valid; if so they stay as long as this is there. Returns what they
    /// are held by, which is what has to be kept to keep all of them: their `manifest` if it is
    /// there. It costs the same for any number of them, and is made anew if it is not.
    pub(super) fn hold(
        &mut self,
        manifest: Option<&StorePath>,
        drvs: &[&DrvPath],
    ) -> Result<Option<Vec<StorePath>>, DaemonError> {
        if let Some(manifest) = manifest
            && self.hold_each(&[manifest])?
        {
            return Ok(Some(vec![manifest.clone()]));
        }
        let drvs = store_paths(drvs);
        if !self.hold_each(&drvs)? {
            return Ok(None);
        }
        match self.add_manifest(&drvs) {
            Ok(manifest) => Ok(Some(manifest.into_iter().collect())),
            Err(DaemonError::Refused(_)) => Ok(Some(drvs.into_iter().cloned().collect())),
            Err(error) => Err(error),
        }
    }

    /// Makes what refers to all of `drvs`, so that none can be collected before it. `None` if
    /// there are none.
    pub(super) fn manifest(&mut self, drvs: &[&DrvPath]) -> Result<Option<StorePath>, DaemonError> {
        self.add_manifest(&store_paths(drvs))
    }

    fn add_manifest(&mut self, drvs: &[&StorePath]) -> Result<Option<StorePath>, DaemonError> {
        if drvs.is_empty() {
            return Ok(None);
        }
        let [name, text] = MANIFEST;
        self.ask(|client| client.add_text(name, text, drvs))
            .map(Some)
    }

    /// Whether all of `paths` are valid. They stay so as long as this is there.
    fn hold_each(&mut self, paths: &[&StorePath]) -> Result<bool, DaemonError> {
        if paths.is_empty() {
            return Ok(true);
        }
        let valid = self.ask(|client| {
            client.add_temp_roots(paths)?;
            client.valid_paths(paths)
        })?;
        Ok(valid.len() == paths.len())
    }

    fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut Client) -> Result<T, DaemonError>,
    ) -> Result<T, DaemonError> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::open()?,
        };
        let answer = question(&mut client);
        // What is held is let go with the connection.
        if matches!(answer, Ok(_) | Err(DaemonError::Refused(_))) {
            self.client = Some(client);
        }
        answer
    }
}

/// Each once.
fn store_paths<'d>(drvs: &[&'d DrvPath]) -> Vec<&'d StorePath> {
    let drvs: BTreeSet<&StorePath> = drvs.iter().map(|drv| drv.as_store_path()).collect();
    drvs.into_iter().collect()
}
