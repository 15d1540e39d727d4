use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempPath;

use crate::error::Error;
use crate::process::{Leftovers, memory_now};

/// How the names of leases begin, once others may see them.
const VISIBLE: &str = "evaluation-";
/// Longest lease.
const LENGTH: usize = 64;

/// Another evaluation on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// Memory that its evaluators have now, MiB.
    pub(super) used: u64,
    /// Memory that they may get, MiB, if that is fixed.
    pub(super) promised: Option<u64>,
}

/// The lease of this evaluation, in a folder with those of all that run. A lease is a file that
/// is locked: the system gives it free however the process ends, so none outlives its evaluation.
#[derive(Debug)]
pub(super) struct Leases {
    folder: PathBuf,
    file: File,
    path: TempPath,
}

impl Leases {
    /// Takes a lease in the folder of this user.
    pub(super) fn join() -> Result<Self, Error> {
        let user = rustix::process::getuid().as_raw();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let runtime = runtime.filter(|path| path.is_absolute());
        // The variable may be that of another user, e.g. after `su`.
        if let Some(leases) = runtime.and_then(|it| Self::join_in(&it.join("buildbot-nix")).ok()) {
            return Ok(leases);
        }
        Self::join_in(&std::env::temp_dir().join(format!("buildbot-nix-{user}")))
    }

    /// Takes a lease in `folder`, which is made if needed.
    pub(super) fn join_in(folder: &Path) -> Result<Self, Error> {
        let failed = |error| Error::io("note the evaluation in", folder, error);
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        // In a folder for temporary files somebody else may have been first.
        let found = std::fs::symlink_metadata(folder).map_err(failed)?;
        if !found.is_dir() || found.uid() != rustix::process::getuid().as_raw() {
            return Err(failed(io::ErrorKind::PermissionDenied.into()));
        }
        let new = tempfile::Builder::new().prefix("new-").tempfile_in(folder);
        let (mut file, path) = new.map_err(failed)?.into_parts();
        file.write_all(&text(None)).map_err(failed)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| failed(error.into()))?;
        // Others take what is not locked for the rest of one that has ended, so they must not see
        // it before. Its new name is as unlikely to exist as the old one.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let visible = folder.join(name.replacen("new-", VISIBLE, 1));
        std::fs::rename(&path, &visible).map_err(failed)?;
        let path = TempPath::try_from_path(visible).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            path,
        })
    }

    /// Says that the evaluators of this evaluation may get so many MiB, whoever comes; `None` if
    /// they will be fewer when others come.
    pub(super) fn promise(&self, memory: Option<u64>) {
        // A lease that cannot be written counts as one that promises nothing.
        let _ = self.file.write_all_at(&text(memory), 0);
    }

    /// The other evaluations that run now.
    pub(super) fn others(&self) -> Vec<Lease> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let paths = entries.flatten().map(|entry| entry.path());
        let leases = paths.filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(VISIBLE) && **path != *self.path
        });
        leases.filter_map(|path| read(&path)).collect()
    }
}

/// The lease `path`; if it is nobody's any more, it is removed.
fn read(path: &Path) -> Option<Lease> {
    let file = File::open(path).ok()?;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        let _ = std::fs::remove_file(path);
        return None;
    }
    let mut bytes = [0; LENGTH];
    let length = file.read_at(&mut bytes, 0).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
    let mut words = text.split_ascii_whitespace();
    let process = words.next().and_then(|word| word.parse().ok());
    Some(Lease {
        used: process.map_or(0, used),
        promised: words.next().and_then(|word| word.parse().ok()),
    })
}

/// Memory of everything that process `agent` has started, MiB.
pub(super) fn used(agent: u32) -> u64 {
    Leftovers::below(agent).ids().filter_map(memory_now).sum()
}

/// All leases are equally long, so that a new one covers the old one.
fn text(promised: Option<u64>) -> Vec<u8> {
    let promised = promised.map_or_else(|| "-".to_owned(), |promised| promised.to_string());
    let text = format!("{} {promised}", std::process::id());
    format!("{text:<width$}\n", width = LENGTH - 1).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn promises(leases: &Leases) -> Vec<Option<u64>> {
        leases.others().iter().map(|lease| lease.promised).collect()
    }

    #[test]
    fn evaluations_see_each_other_while_they_run() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let first = Leases::join_in(&folder).unwrap();
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(promises(&first), []);
        let second = Leases::join_in(&folder).unwrap();
        second.promise(Some(12_345));
        assert_eq!(promises(&first), [Some(12_345)]);
        assert_eq!(promises(&second), [None]);
        second.promise(None);
        assert_eq!(promises(&first), [None]);
        drop(second);
        assert_eq!(promises(&first), []);
    }

    #[test]
    fn what_a_killed_evaluation_leaves_behind_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let leases = Leases::join_in(folder.path()).unwrap();
        let left = folder.path().join("evaluation-of-one-that-was-killed");
        std::fs::write(&left, text(Some(1))).unwrap();
        assert_eq!(promises(&leases), []);
        assert!(!left.exists());
        assert_eq!(promises(&leases), []);
    }

    #[test]
    fn nonsense_in_a_lease_promises_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let leases = Leases::join_in(folder.path()).unwrap();
        for nonsense in [&b""[..], b"\xff\xfe -1", b"4294967296 x", &[b'9'; 200]] {
            let path = folder.path().join("evaluation-x");
            std::fs::write(&path, nonsense).unwrap();
            let file = File::open(&path).unwrap();
            flock(&file, FlockOperation::LockExclusive).unwrap();
            let found = leases.others();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].used, found[0].promised), (0, None));
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        let error = Leases::join_in(&link).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot note the evaluation in "),
            "{error}"
        );
    }

    #[test]
    fn the_memory_of_children_counts() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let begun = std::time::Instant::now();
        while used(std::process::id()) == 0 {
            assert!(begun.elapsed().as_secs() < 20);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
