//! Keeps the derivations of a running evaluation from the garbage collector.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Keeping;
use crate::error::Error;
use crate::nix::DrvPath;
use crate::process::{CommandSpec, capture};

/// Derivations in one command line.
const BATCH: usize = 1000;
/// Time for registering one batch.
const LIMIT: Duration = Duration::from_secs(120);

/// A folder of links to derivations.
#[derive(Debug)]
pub(super) struct GcRoots {
    directory: PathBuf,
    /// Whether links in the folder are roots by themselves.
    is_direct: bool,
    registered: HashSet<DrvPath>,
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

    /// Makes roots of `drvs`.
    pub(super) fn register(&mut self, drvs: &[&DrvPath]) -> Result<(), Error> {
        let mut new: Vec<&DrvPath> = drvs.to_vec();
        new.retain(|drv| self.registered.insert((*drv).clone()));
        for drv in &new {
            let link = self.directory.join(base_name(drv));
            // The same error for all, so that it is told once.
            place(&link, drv)
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
    /// for each derivation.
    fn register_links(&self, drvs: &[&DrvPath]) -> Result<(), Error> {
        // The hash alone: with more, a long name would be too long for a file.
        let first = drvs
            .first()
            .and_then(|drv| base_name(drv).split('-').next());
        let first = first.unwrap_or_default();
        let links = self.directory.join(format!(".root-{first}"));
        let command = CommandSpec::new("nix")
            .args(["--extra-experimental-features", "nix-command", "build"])
            .args(["--out-link".into(), links.into_os_string()])
            .args(drvs.iter().map(|drv| drv.as_str()));
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

fn base_name(drv: &DrvPath) -> &str {
    drv.as_str().rsplit('/').next().unwrap_or_default()
}

/// Makes the link in one step, so that it is never there without leading to the derivation.
fn place(link: &Path, drv: &DrvPath) -> io::Result<()> {
    match symlink(drv.as_str(), link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    if std::fs::read_link(link).is_ok_and(|target| target == Path::new(drv.as_str())) {
        return Ok(());
    }
    let mut temporary = link.as_os_str().to_owned();
    temporary.push(".new");
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(drv.as_str(), &temporary)?;
    std::fs::rename(&temporary, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_link_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let drv: DrvPath = format!("/nix/store/{:032}-a.drv", 0).parse().unwrap();
        let link = directory.path().join(base_name(&drv));
        symlink("/elsewhere", &link).unwrap();
        place(&link, &drv).unwrap();
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new(drv.as_str()));
        place(&link, &drv).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
