//! The bare clone that all slots of a machine share.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::git::Git;
use super::lock::Lock;
use super::name::file_name;
use super::{Request, failure};
use crate::error::Error;

/// File in the clone that says whose it is.
const MARKER: &str = "buildbot-nix-url";
/// Clones that nobody has used for so long are removed.
const UNUSED_MAX: Duration = Duration::from_secs(60 * 24 * 3600);

/// The clone of one repository, locked.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) directory: PathBuf,
    url: String,
    _lock: Lock,
}

impl Cache {
    /// Takes the clone for this process alone and makes one if there is none.
    pub(super) fn open(request: &Request, git: &Git) -> Result<Self, Error> {
        let caches = &request.cache_dir;
        std::fs::create_dir_all(caches).map_err(|e| Error::io("make", caches, e))?;
        let name = file_name(request.url.as_str());
        let cache = Self {
            _lock: Lock::wait(&lock_path(caches, &name), git.time_left())?,
            directory: caches.join(&name),
            url: request.url.as_str().to_owned(),
        };
        if !cache.is_sound(git)? {
            cache.remake(git)?;
        }
        Ok(cache)
    }

    /// Where the packs are.
    pub(super) fn packs(&self) -> PathBuf {
        self.directory.join("objects/pack")
    }

    /// Begins again with an empty clone.
    pub(super) fn remake(&self, git: &Git) -> Result<(), Error> {
        let new = self.directory.with_extension("new");
        for old in [&new, &self.directory] {
            remove(old)?;
        }
        let captured = git.clone().run([
            "init".as_ref(),
            "--quiet".as_ref(),
            "--bare".as_ref(),
            // Templates may hold hooks.
            "--template=".as_ref(),
            new.as_os_str(),
        ])?;
        if !captured.status.success() {
            let reason = failure::reason(&captured);
            let path = new.display();
            return Err(failure::trouble(format!("cannot make `{path}`: {reason}")));
        }
        let marker = new.join(MARKER);
        std::fs::write(&marker, &self.url).map_err(|e| Error::io("write", &marker, e))?;
        std::fs::rename(&new, &self.directory).map_err(|e| Error::io("make", &self.directory, e))
    }

    /// Whether git can begin to work with it. Damage of its objects shows when they are used.
    fn is_sound(&self, git: &Git) -> Result<bool, Error> {
        // Two long URLs may share a name.
        let owner = std::fs::read_to_string(self.directory.join(MARKER)).unwrap_or_default();
        let is_bare = || git.line(["rev-parse", "--is-bare-repository"]);
        Ok(owner == self.url && is_bare()?.as_deref() == Some("true"))
    }
}

/// The clone's folder, for [`Git`].
pub(super) fn directory(request: &Request) -> PathBuf {
    request.cache_dir.join(file_name(request.url.as_str()))
}

fn lock_path(caches: &Path, name: &str) -> PathBuf {
    caches.join(format!("{name}.lock"))
}

/// Removes clones that no repository of this machine has used for long.
pub(super) fn sweep(caches: &Path, now: SystemTime) {
    let Ok(entries) = std::fs::read_dir(caches) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_old = || {
            let changed = entry.metadata().and_then(|data| data.modified()).ok()?;
            Some(now.duration_since(changed).ok()? > UNUSED_MAX)
        };
        if path.extension().is_none_or(|extension| extension != "lock") || is_old() != Some(true) {
            continue;
        }
        if let Ok(Some(_lock)) = Lock::try_take(&path) {
            let clone = path.with_extension("");
            let gone = remove(&clone).and_then(|()| remove(&clone.with_extension("new")));
            if gone.is_ok() {
                // Last, and under the lock: who waits for it will see that it is gone.
                let _ = std::fs::remove_file(&path);
            }
        }
    }
}

/// Removes a folder, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_uses_is_swept() {
        let caches = tempfile::tempdir().unwrap();
        let clone = |name: &str| {
            let clone = caches.path().join(name);
            std::fs::create_dir_all(clone.join("objects")).unwrap();
            drop(Lock::try_take(&lock_path(caches.path(), name)).unwrap());
            clone
        };
        let (idle, busy) = (clone("idle"), clone("busy"));
        let held = Lock::try_take(&lock_path(caches.path(), "busy")).unwrap();
        sweep(caches.path(), SystemTime::now());
        assert!(idle.exists());
        sweep(caches.path(), SystemTime::now() + UNUSED_MAX * 2);
        assert!(!idle.exists() && busy.exists());
        drop(held);
        let left = std::fs::read_dir(caches.path()).unwrap().count();
        assert_eq!(left, 2, "the busy clone and its lock");
    }
}
