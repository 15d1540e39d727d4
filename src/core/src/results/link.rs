use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::component::digits;
use super::place::{BEING_MADE, output_link};
use crate::error::Error;
use crate::nix::{DrvPath, StorePath};

/// The gc roots of one derivation's outputs, while they are made.
///
/// Nix makes them under names of its own choice and protects what they lead to at once; then they
/// get their names. Outside of Nix's folder of roots they would lose their meaning with another
/// name, so they stay there as Nix calls them.
#[derive(Debug)]
pub(crate) struct GcRoot<'r> {
    wanted: &'r Path,
    staged: PathBuf,
}

impl<'r> GcRoot<'r> {
    /// Those of `drv` whose output `out` is to have the link `wanted`.
    pub(crate) fn new(wanted: &'r Path, drv: &DrvPath) -> Self {
        let staged = if is_direct(wanted) {
            // Two builds that make the same link must not take each other's.
            let who = format!("{}\n{drv}", wanted.display());
            wanted.with_file_name(format!("{BEING_MADE}{}", digits(who.as_bytes())))
        } else {
            wanted.to_owned()
        };
        Self { wanted, staged }
    }

    /// What Nix shall be told.
    pub(crate) fn staged(&self) -> &Path {
        &self.staged
    }

    /// The folder with the links.
    pub(crate) fn folder(&self) -> std::path::Display<'_> {
        let folder = self.wanted.parent();
        folder.unwrap_or(Path::new("/")).display()
    }

    /// Gives what Nix has made its names.
    pub(crate) fn publish(&self, outputs: &BTreeMap<String, Option<StorePath>>) -> io::Result<()> {
        if self.staged == self.wanted {
            return Ok(());
        }
        let names = |path: &Path| path.file_name().map(|it| it.to_string_lossy().into_owned());
        let attribute = names(self.wanted).unwrap_or_default();
        for (output, path) in outputs {
            let link = self.wanted.with_file_name(output_link(&attribute, output));
            let mut staged = self.staged.clone().into_os_string();
            if output != "out" {
                staged.push(format!("-{output}"));
            }
            match fs::rename(&staged, &link) {
                // Somebody who builds the same has done it.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && path.as_ref().is_some_and(|path| leads_to(&link, path)) => {}
                done => done?,
            }
        }
        Ok(())
    }
}

/// Whether links at `path` are roots by themselves.
pub(super) fn is_direct(path: &Path) -> bool {
    let state = std::env::var_os("NIX_STATE_DIR").unwrap_or_else(|| "/nix/var/nix".into());
    path.starts_with(Path::new(&state).join("gcroots"))
}

/// Whether `link` is one to `path`.
pub(super) fn leads_to(link: &Path, path: &StorePath) -> bool {
    fs::read_link(link).is_ok_and(|target| target == Path::new(path.as_str()))
}

/// Makes `folder/name` a link to `path` in one step.
pub(super) fn place(folder: &Path, name: &str, path: &StorePath) -> Result<(), Error> {
    let staged = folder.join(format!("{BEING_MADE}{}", digits(name.as_bytes())));
    let link = folder.join(name);
    let make = || {
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(path.as_str(), &staged)?;
        fs::rename(&staged, &link)
    };
    make().map_err(|error| Error::io("make the gc root", &link, error))
}
