use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::daemon::{Client, DaemonError};
use crate::machine_line::{CacheStatus, Job};
use crate::nix::StorePath;

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

    /// Those of `paths` that are valid, and stay so as long as this is there.
    pub(super) fn hold(&mut self, paths: &[&StorePath]) -> Result<HashSet<StorePath>, DaemonError> {
        self.ask(|client| {
            client.add_temp_roots(paths)?;
            client.valid_paths(paths)
        })
    }

    fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut Client) -> Result<T, DaemonError>,
    ) -> Result<T, DaemonError> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::open()?,
        };
        let answer = question(&mut client)?;
        self.client = Some(client);
        Ok(answer)
    }
}
