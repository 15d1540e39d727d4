use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::failure::trouble;
use crate::error::Error;
use crate::process::stop_requested;

/// How often a lock that another process holds is tried.
const POLL: Duration = Duration::from_millis(20);

/// A lock file that this process holds. The system gives it free when the process ends, however
/// it does.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock `path`, waiting up to `limit` for others.
    pub(super) fn wait(path: &Path, limit: Duration) -> Result<Self, Error> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            if stop_requested() {
                return Err(Error::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(trouble(format!(
                    "another process has held the lock `{}` for {} s",
                    path.display(),
                    limit.as_secs()
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Takes the lock unless another process has it. Its time of change becomes now.
    pub(super) fn try_take(path: &Path) -> Result<Option<Self>, Error> {
        let io = |error| Error::io("lock", path, error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => return Ok(None),
            Err(error) => return Err(io(error.into())),
        }
        // Who sweeps removes the file while holding it; then this is the lock of nothing.
        let ours = file.metadata().map_err(io)?;
        if !std::fs::metadata(path).is_ok_and(|now| now.ino() == ours.ino()) {
            return Ok(None);
        }
        file.set_modified(SystemTime::now()).map_err(io)?;
        Ok(Some(Self { _file: file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = Lock::try_take(&path).unwrap().unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        let error = Lock::wait(&path, Duration::ZERO).unwrap_err().to_string();
        assert!(
            error.starts_with("another process has held the lock `"),
            "{error}"
        );
        drop(held);
        assert!(Lock::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn a_removed_lock_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let swept = Lock::try_take(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(Lock::wait(&path, Duration::from_secs(20)).is_ok());
        drop(swept);
    }
}
