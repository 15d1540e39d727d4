//! Keeps the derivations of an evaluation from the garbage collector, or what refers to them.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Keeping;
use crate::error::Error;
use crate::nix::StorePath;
use crate::process::{CommandSpec, capture};

/// Paths in one command line.
const BATCH: usize = 1000;
/// Time for registering one batch.
const LIMIT: Duration = Duration::from_secs(120);

/// A folder of links into the store.
#[derive(Debug)]
pub(super) struct GcRoots {
    directory: PathBuf,
    /// Whether links in the folder are roots by themselves.
    is_direct: bool,
    registered: HashSet<StorePath>,
}

impl GcRoots {
    /// What `keeping` asks for.
    pub(super) fn of(keeping: &Keeping) -> Result<Option<Self>, Error> {
        match keeping {
            Keeping::Nothing => Ok(None),
            Keeping::Folder(directory) => Self::open(directory).map(Some),
            Keeping::Run {
                name,
                folders,
                live,
            } => {
                if let Some(live) = live {
                    folders.sweep(name, live);
                }
                Self::open(&folders.make(name)?).map(Some)
            }
        }
    }

    /// Makes `directory` if it is not there.
    fn open(directory: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(directory).map_err(|e| Error::io("make", directory, e))?;
        let directory = directory
            .canonicalize()
            .map_err(|error| Error::io("find", directory, error))?;
        let state = std::env::var_os("NIX_STATE_DIR").unwrap_or_else(|| "/nix/var/nix".into());
        let roots = Path::new(&state).join("gcroots");
        let is_direct = directory.starts_with(roots.canonicalize().unwrap_or(roots));
        Ok(Self {
            directory,
            is_direct,
            registered: HashSet::new(),
        })
    }

    /// The folder.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes roots of `paths`.
    pub(super) fn register(&mut self, paths: &[&StorePath]) -> Result<(), Error> {
        let mut new: Vec<&StorePath> = paths.to_vec();
        new.retain(|path| self.registered.insert((*path).clone()));
        for path in &new {
            let link = self.directory.join(path.base_name());
            // The same error for all, so that it is told once.
            place(&link, path)
                .map_err(|error| Error::io("make links in", &self.directory, error))?;
        }
        if !self.is_direct {
            for batch in new.chunks(BATCH) {
                self.register_links(batch)?;
            }
        }
        Ok(())
    }

    /// Outside of Nix's own folder of roots a link counts only if Nix has been told of it. The one
    /// command that does so without building gives the links names of its own, so there are two
    /// for each path.
    fn register_links(&self, paths: &[&StorePath]) -> Result<(), Error> {
        // The hash alone: with more, a long name would be too long for a file.
        let first = paths
            .first()
            .and_then(|path| path.base_name().split('-').next());
        let first = first.unwrap_or_default();
        let links = self.directory.join(format!(".root-{first}"));
        let command = CommandSpec::new("nix")
            .args(["--extra-experimental-features", "nix-command", "build"])
            .args(["--out-link".into(), links.into_os_string()])
            .args(paths.iter().map(|path| path.as_str()));
        let captured = capture(&command, b"", LIMIT)?;
        if captured.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&captured.stderr);
        Err(Error::Nix {
            message: format!(
                "cannot make gc roots in `{}`: {}",
                self.directory.display(),
                super::text::error_text(&super::text::clean(&words))
            ),
            hint: None,
        })
    }
}

/// Makes the link in one step, so that it is never there without leading to `path`.
fn place(link: &Path, path: &StorePath) -> io::Result<()> {
    match symlink(path.as_str(), link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    if std::fs::read_link(link).is_ok_and(|target| target == Path::new(path.as_str())) {
        return Ok(());
    }
    let mut temporary = link.as_os_str().to_owned();
    temporary.push(".new");
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(path.as_str(), &temporary)?;
    std::fs::rename(&temporary, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_link_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path: StorePath = format!("/nix/store/{:032}-a.drv", 0).parse().unwrap();
        let link = directory.path().join(path.base_name());
        symlink("/elsewhere", &link).unwrap();
        place(&link, &path).unwrap();
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(path.as_str()));
        place(&link, &path).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
