use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::config::Settings;
use crate::error::Error;
use crate::secret::SecretPlaces;

use super::clock::Clock;
use super::gitea::Gitea;
use super::github::Github;
use super::http::{Kept, Memory, Pace};
use super::{
    Discovery, Examination, Fault, Finding, Forge, ForgeError, ForgeKind, HookChange, Repository,
};

/// Hooks that are looked after at the same time.
const HOOKS: usize = 32;
/// Projects that are examined at the same time, each with several requests.
const EXAMINED: usize = 8;

/// The forges of a master, for callers that may block.
///
/// Nothing is started before the first call: no thread, no connection, no secret is read. After a
/// fork, the child starts its own.
pub struct Forges {
    settings: Settings,
    places: SecretPlaces,
    pace: Pace,
    memories: BTreeMap<ForgeKind, Arc<Memory>>,
    live: Mutex<Option<Arc<Live>>>,
    is_closed: watch::Sender<bool>,
}

/// What the first call starts.
struct Live {
    process: u32,
    runtime: Runtime,
    adapters: BTreeMap<ForgeKind, Box<dyn Forge>>,
}

/// What became of the hook of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOutcome {
    /// The repository, by its number.
    pub repository: Repository,
    /// What was done, or why it could not be.
    pub result: Result<HookChange, ForgeError>,
}

impl Forges {
    /// The forges of `settings`. `memory` is what [`Forges::memory`] gave once.
    pub fn new(settings: &Settings, places: &SecretPlaces, memory: Option<&[u8]>) -> Self {
        Self::with_pace(settings, places, memory, Pace::default())
    }

    pub(super) fn with_pace(
        settings: &Settings,
        places: &SecretPlaces,
        memory: Option<&[u8]>,
        pace: Pace,
    ) -> Self {
        // To lose it costs requests and nothing else.
        let mut kept: BTreeMap<ForgeKind, Kept> = memory
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or_default();
        let memories = [ForgeKind::Github, ForgeKind::Gitea].map(|kind| {
            let kept = kept.remove(&kind).unwrap_or_default();
            (kind, Arc::new(Memory::new(kept)))
        });
        Self {
            settings: settings.clone(),
            places: places.clone(),
            pace,
            memories: memories.into(),
            live: Mutex::default(),
            is_closed: watch::Sender::new(false),
        }
    }

    /// Whether they would be the same with these settings.
    pub fn are_of(&self, settings: &Settings, places: &SecretPlaces) -> bool {
        self.settings.github == settings.github
            && self.settings.gitea == settings.gitea
            && self.settings.webhook_base_url == settings.webhook_base_url
            && self.places == *places
    }

    /// Whether commits get check runs instead of statuses on the forge `kind`.
    pub fn has_check_runs(&self, kind: ForgeKind) -> bool {
        let github = self.settings.github.as_ref();
        kind == ForgeKind::Github && github.is_some_and(|settings| settings.check_runs)
    }

    /// Which forges there are.
    pub fn kinds(&self) -> Vec<ForgeKind> {
        let github = self.settings.github.is_some().then_some(ForgeKind::Github);
        let gitea = self.settings.gitea.is_some().then_some(ForgeKind::Gitea);
        github.into_iter().chain(gitea).collect()
    }

    /// What is known of the forges, to be kept for [`Forges::new`]. Holds no secret.
    pub fn memory(&self) -> Vec<u8> {
        let now = jiff::Timestamp::now().as_second();
        let kept: BTreeMap<ForgeKind, Kept> = self
            .memories
            .iter()
            .map(|(kind, memory)| (*kind, memory.kept(now)))
            .collect();
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// What `work` gives for the forge `kind`. Blocks until then; [`Error::Stopped`] after
    /// [`Forges::close`], [`Error::Config`] if there is no such forge.
    pub fn ask<Output>(
        &self,
        kind: ForgeKind,
        work: impl AsyncFnOnce(&dyn Forge) -> Result<Output, ForgeError>,
    ) -> Result<Output, Error> {
        let live = self.live()?;
        let adapter = live.adapters.get(&kind).ok_or_else(|| {
            Error::Config(format!(
                "the settings have no `{kind}`, and there is something to ask it"
            ))
        })?;
        let output = self.block_on(&live, work(adapter.as_ref()))?;
        Ok(output?)
    }

    /// The repositories of the forge `kind` that are to be built. Blocks.
    pub fn discover(&self, kind: ForgeKind) -> Result<Discovery, Error> {
        self.ask(kind, async |forge| forge.discover().await)
    }

    /// Makes the webhooks of `repositories` what the settings say. Blocks. What goes wrong with
    /// one does not keep others from being tried.
    pub fn ensure_hooks(&self, repositories: Vec<Repository>) -> Result<Vec<HookOutcome>, Error> {
        self.with_hooks(repositories, &async |forge, repository| {
            forge.ensure_hook(repository).await
        })
    }

    /// Removes our webhooks of `repositories`, as far as these are still there. Blocks.
    pub fn remove_hooks(&self, repositories: Vec<Repository>) -> Result<Vec<HookOutcome>, Error> {
        self.with_hooks(repositories, &async |forge, repository| {
            let removed = forge.remove_hook(repository).await;
            match removed {
                Err(error) if error.fault == Fault::NotFound => Ok(HookChange::Unchanged),
                removed => removed,
            }
        })
    }

    fn with_hooks(
        &self,
        repositories: Vec<Repository>,
        work: &impl AsyncFn(&dyn Forge, &Repository) -> Result<HookChange, ForgeError>,
    ) -> Result<Vec<HookOutcome>, Error> {
        let live = self.live()?;
        let adapters = &live.adapters;
        let outcomes = stream::iter(repositories)
            .filter_map(|repository| async move {
                let adapter = adapters.get(&repository.forge)?;
                Some((repository, adapter))
            })
            .map(|(repository, adapter)| async move {
                let result = work(adapter.as_ref(), &repository).await;
                HookOutcome { repository, result }
            })
            .buffer_unordered(HOOKS)
            .collect();
        self.block_on(&live, outcomes)
    }

    /// What the forge `kind` lets us do and what is missing, for the projects that `wants` names.
    /// Blocks.
    pub fn examine(
        &self,
        kind: ForgeKind,
        wants: impl Fn(&Repository) -> bool,
    ) -> Result<Examination, Error> {
        self.ask(kind, async |forge| {
            let mut examination = forge.examine().await;
            let discovery = match forge.discover().await {
                Ok(discovery) => discovery,
                Err(error) => {
                    let finding = Finding::from(error);
                    // Most reasons show in both.
                    if !examination.findings.contains(&finding) {
                        examination.findings.push(finding);
                    }
                    return Ok(examination);
                }
            };
            let notices = discovery.notices.iter().map(Finding::from);
            examination.findings.extend(notices);
            examination.left_out = discovery.left_out;
            let repositories = discovery.repositories.iter().filter(|found| wants(found));
            examination.projects = stream::iter(repositories)
                .map(|repository| forge.examine_project(repository))
                .buffered(EXAMINED)
                .collect()
                .await;
            Ok(examination)
        })
    }

    /// Ends what runs, and lets nothing new begin.
    pub fn close(&self) {
        self.is_closed.send_replace(true);
        let live = self
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Whoever still waits for an answer has it too, and ends it soon.
        drop(live);
    }

    fn block_on<Output>(
        &self,
        live: &Live,
        work: impl Future<Output = Output>,
    ) -> Result<Output, Error> {
        let mut closing = self.is_closed.subscribe();
        live.runtime.block_on(async {
            tokio::select! {
                output = work => Ok(output),
                _ = closing.wait_for(|is_closed| *is_closed) => Err(Error::Stopped),
            }
        })
    }

    fn live(&self) -> Result<Arc<Live>, Error> {
        if *self.is_closed.borrow() {
            return Err(Error::Stopped);
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = live.take() {
            if other.process == process::id() {
                *live = Some(Arc::clone(&other));
                return Ok(other);
            }
            // Its threads are in the process that we were forked from, and nothing can wait for them.
            std::mem::forget(other);
        }
        let started = Arc::new(self.start()?);
        *live = Some(Arc::clone(&started));
        Ok(started)
    }

    fn start(&self) -> Result<Live, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("forges")
            .enable_all()
            .build()
            .map_err(|source| Error::io("start threads for", "requests to forges", source))?;
        let memory = |kind| self.memories.get(&kind).cloned().unwrap_or_default();
        let hooks = &self.settings.webhook_base_url;
        let mut adapters: BTreeMap<ForgeKind, Box<dyn Forge>> = BTreeMap::new();
        if let Some(settings) = &self.settings.github {
            let memory = memory(ForgeKind::Github);
            let clock = Clock::default();
            let github = Github::new(settings, &self.places, hooks, memory, self.pace, clock)?;
            adapters.insert(ForgeKind::Github, Box::new(github));
        }
        if let Some(settings) = &self.settings.gitea {
            let memory = memory(ForgeKind::Gitea);
            let gitea = Gitea::new(settings, &self.places, hooks, memory, self.pace)?;
            adapters.insert(ForgeKind::Gitea, Box::new(gitea));
        }
        Ok(Live {
            process: process::id(),
            runtime,
            adapters,
        })
    }
}
