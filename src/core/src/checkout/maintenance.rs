//! Keeps the clone small.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Request;
use super::cache::{self, Cache};
use super::git::Git;
use crate::error::Error;

/// Packs that may lie beside each other: every fetch makes one.
const PACKS_MAX: usize = 30;
/// Bytes a clone may have beyond twice what it had when it was last tidied.
const SLACK: u64 = 64 << 20;
/// Branches that were not built for so long lose their objects.
const UNUSED_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// File in the clone with its size when it was last tidied.
const SIZE: &str = "buildbot-nix-size";

/// Puts packs together when there are many. What no branch needs any more goes when the clone
/// has doubled: that costs reading all of it.
pub(super) fn maintain(request: &Request, git: &Git) -> Result<(), Error> {
    let packs = cache::directory(request).join("objects/pack");
    if sizes(&packs).len() <= PACKS_MAX {
        return Ok(());
    }
    let cache = Cache::open(request, git)?;
    let before: u64 = sizes(&packs).iter().sum();
    let file = cache.directory.join(SIZE);
    let last = std::fs::read_to_string(&file).ok();
    let last: u64 = last.and_then(|text| text.parse().ok()).unwrap_or_default();
    if before > last.saturating_mul(2).saturating_add(SLACK) {
        forget_branches(&cache.directory.join("refs/fetched"), SystemTime::now());
        git.run(["-c", "gc.packRefs=false", "gc", "--quiet", "--prune=now"])?;
        let after: u64 = sizes(&packs).iter().sum();
        std::fs::write(&file, after.to_string()).map_err(|e| Error::io("write", &file, e))?;
    } else {
        git.run(["repack", "-d", "-q", "--geometric=2"])?;
    }
    Ok(())
}

fn sizes(packs: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(packs).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "pack"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|data| data.len())
        .collect()
}

fn forget_branches(refs: &Path, now: SystemTime) {
    for entry in std::fs::read_dir(refs).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|data| data.modified());
        let unused = changed.ok().and_then(|time| now.duration_since(time).ok());
        if unused.is_some_and(|unused| unused > UNUSED_MAX) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_that_nobody_builds_are_forgotten() {
        let refs = tempfile::tempdir().unwrap();
        std::fs::write(refs.path().join("x"), "").unwrap();
        forget_branches(refs.path(), SystemTime::now());
        assert!(refs.path().join("x").exists());
        forget_branches(refs.path(), SystemTime::now() + 2 * UNUSED_MAX);
        assert!(!refs.path().join("x").exists());
    }
}
