use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::gone::Wanted;
use super::link::{is_direct, leads_to, place};
use super::listing::Listing;
use super::place::BEING_MADE;
use crate::build::{invalid_paths, protect_paths};
use crate::cache::Queue;
use crate::error::Error;
use crate::nix::StorePath;
use crate::run_roots::{RunFolders, RunName};

/// Name of the file that says for which run the links were made last.
pub(super) const LAST: &str = "^^last";
/// What is being made for so long was left behind by somebody who was killed.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Times that results are looked at: some may be collected between two looks.
const ATTEMPTS: usize = 3;

/// What [`keep`] has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Results that are kept now and were not before.
    pub added: usize,
    /// Links of attributes that are gone.
    pub removed: usize,
}

/// Keeps, in `folder`, what the evaluation `run` has found and is in the store, and lets go what it
/// shows to be gone. Nothing is built or fetched.
///
/// What was not kept before is put into `queues`, to be uploaded. A run that ends after a newer one
/// of the same master does nothing.
pub fn keep(
    folder: &Path,
    folders: &RunFolders,
    run: &RunName,
    queues: &[Queue],
) -> Result<Kept, Error> {
    if !is_direct(folder) {
        return Err(Error::Nix {
            message: format!(
                "cannot keep results in `{}`: links there are no gc roots",
                folder.display()
            ),
            hint: Some("name a folder below Nix's own `gcroots`".to_owned()),
        });
    }
    let mut wanted = Wanted::default();
    if !folders.find(run, |folder| {
        Listing::read(folder, |line| wanted.take(line))
    })? {
        return Ok(Kept::default());
    }
    fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, error))?;
    if !is_newest(folder, run)? {
        return Ok(Kept::default());
    }
    Ok(Kept {
        added: add(folder, &wanted, queues)?,
        removed: remove(folder, &wanted)?,
    })
}

/// Whether no newer run of the same master was here; says that this one is.
fn is_newest(folder: &Path, run: &RunName) -> Result<bool, Error> {
    let path = folder.join(LAST);
    let last: Option<RunName> = fs::read_to_string(&path)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    if last.is_some_and(|last| last.master() == run.master() && last.number() > run.number()) {
        return Ok(false);
    }
    fs::write(&path, format!("{run}\n")).map_err(|error| Error::io("write", &path, error))?;
    Ok(true)
}

/// Makes the links that are not there yet of what is in the store.
fn add(folder: &Path, wanted: &Wanted, queues: &[Queue]) -> Result<usize, Error> {
    let missing: Vec<(&String, &StorePath)> = wanted
        .links
        .iter()
        .filter(|(link, path)| !leads_to(&folder.join(link), path))
        .collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let held = tempfile::Builder::new()
        .prefix(BEING_MADE)
        .tempdir_in(folder)
        .map_err(|error| Error::io("make a folder in", folder, error))?;
    let there = hold(held.path(), missing.iter().map(|(_, path)| path.as_str()))?;
    let mut found = missing;
    found.retain(|(_, path)| there.contains(path.as_str()));
    for queue in queues {
        queue.add(found.iter().map(|(_, path)| *path))?;
    }
    for (link, path) in &found {
        place(folder, link, path)?;
    }
    Ok(found.len())
}

/// Protects those of `paths` that are in the store by links in `folder`; returns them.
fn hold<'p>(
    folder: &Path,
    paths: impl Iterator<Item = &'p str>,
) -> Result<HashSet<&'p str>, Error> {
    let paths: Vec<&str> = paths.collect::<BTreeSet<_>>().into_iter().collect();
    let mut failure = None;
    for attempt in 0..ATTEMPTS {
        let invalid = invalid_paths(&paths).ok_or_else(|| refusal("the store did not answer"))?;
        let mut valid = paths.clone();
        valid.retain(|path| !invalid.contains(*path));
        match protect_paths(&valid, &folder.join(attempt.to_string())) {
            Ok(()) => return Ok(valid.into_iter().collect()),
            // Perhaps some were collected in this very moment.
            Err(why) => failure = Some(why),
        }
    }
    Err(refusal(&failure.unwrap_or_default()))
}

fn refusal(why: &str) -> Error {
    Error::Nix {
        message: format!("cannot protect results that are in the store: {why}"),
        hint: None,
    }
}

/// Removes links of attributes that are gone. Folders are of other branches and projects.
fn remove(folder: &Path, wanted: &Wanted) -> Result<usize, Error> {
    let entries = fs::read_dir(folder).map_err(|error| Error::io("list", folder, error))?;
    let mut removed = 0;
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", folder, error))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = entry.path();
        if name.starts_with(BEING_MADE) {
            if name != LAST && is_old(&path) {
                discard(&path).map_err(|error| Error::io("remove", &path, error))?;
            }
            continue;
        }
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if is_link && (wanted.is_gone(name) || is_former_output(folder, wanted, name)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path, error));
                }
                _ => removed += 1,
            }
        }
    }
    Ok(removed)
}

/// Whether `link` is of an output that its attribute no longer has, now that all that it has are
/// kept.
fn is_former_output(folder: &Path, wanted: &Wanted, link: &str) -> bool {
    let outputs = wanted.outputs_beside(link);
    outputs.is_some_and(|outputs| {
        outputs.iter().all(|output| {
            let path = wanted.links.get(output);
            path.is_some_and(|path| leads_to(&folder.join(output), path))
        })
    })
}

fn is_old(path: &Path) -> bool {
    let made = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    made.ok()
        .and_then(|made| SystemTime::now().duration_since(made).ok())
        .is_some_and(|age| age > AGE_MAX)
}

fn discard(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_dir_all(path);
    }
    fs::remove_file(path)
}
