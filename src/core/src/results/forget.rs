use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::component::component;
use super::keep::LAST;
use super::place::{BEING_MADE, MARK};
use crate::error::Error;
use crate::run_roots::RunName;

/// Levels of folders in a project's name that are looked at: groups of some forges have several.
const DEPTH_MAX: usize = 6;

/// What there is, as a master knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Existing {
    /// Branches that may be there, besides the default branch, by name of the project.
    pub projects: BTreeMap<String, Branches>,
}

/// Branches of one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Branches {
    /// These and no others.
    Only(BTreeSet<String>),
    /// Nobody knows which, but that it is none of these.
    AllBut(BTreeSet<String>),
}

impl Branches {
    /// Whether there may be one that is `wanted`.
    pub(super) fn may_have(&self, wanted: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Only(branches) => branches.iter().any(|branch| wanted(branch)),
            Self::AllBut(gone) => !gone.iter().any(|branch| wanted(branch)),
        }
    }
}

/// Removes, below `root`, the links of branches and projects that are gone; returns how many
/// branches these were.
///
/// Only what was kept for the master of `run` is removed: others may have the same workers. What
/// nobody has kept as this version does it, stays.
pub fn forget(root: &Path, run: &RunName, existing: &Existing) -> Result<usize, Error> {
    let mut forgetting = Forgetting {
        run,
        existing,
        removed: 0,
    };
    forgetting.look_at(root, "", 0)?;
    Ok(forgetting.removed)
}

struct Forgetting<'a> {
    run: &'a RunName,
    existing: &'a Existing,
    removed: usize,
}

impl Forgetting<'_> {
    /// Looks at the folder that the project called `name` would have.
    fn look_at(&mut self, folder: &Path, name: &str, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Ok(());
        }
        let project = self.existing.projects.get(name);
        if project.is_none() && self.is_ours(folder) {
            self.remove_links(folder)?;
        }
        for (entry, path) in folders(folder)? {
            match entry.strip_prefix(MARK) {
                Some(branch) if !entry.starts_with(BEING_MADE) => {
                    if !lives(project, branch) && self.is_ours(&path) {
                        fs::remove_dir_all(&path)
                            .map_err(|error| Error::io("remove", &path, error))?;
                        self.removed += 1;
                    }
                }
                Some(_) => {}
                None if entry.starts_with('.') => {}
                None => {
                    let below = if name.is_empty() {
                        entry.clone()
                    } else {
                        format!("{name}/{entry}")
                    };
                    self.look_at(&path, &below, depth + 1)?;
                }
            }
        }
        if project.is_none() && depth > 0 {
            // Only if nothing is left in it.
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Whether results in `folder` were last kept for the same master.
    fn is_ours(&self, folder: &Path) -> bool {
        let last = fs::read_to_string(folder.join(LAST)).ok();
        let last = last.and_then(|text| text.trim().parse::<RunName>().ok());
        last.is_some_and(|last| last.master() == self.run.master())
    }

    /// Removes the links of a default branch.
    fn remove_links(&mut self, folder: &Path) -> Result<(), Error> {
        let entries = fs::read_dir(folder).map_err(|error| Error::io("list", folder, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("list", folder, error))?;
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if is_link || entry.file_name() == LAST {
                let path = entry.path();
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(Error::io("remove", &path, error));
                    }
                    _ => {}
                }
            }
        }
        self.removed += 1;
        Ok(())
    }
}

/// Whether a branch of `project` with that folder may be there.
fn lives(project: Option<&Branches>, folder: &str) -> bool {
    project.is_some_and(|branches| branches.may_have(|branch| component(branch) == folder))
}

fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", folder, error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", folder, error))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(name) = entry.file_name().into_string()
        {
            folders.push((name, entry.path()));
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const OURS: &str = "0123456789abcdef-7";
    const OTHERS: &str = "fedcba9876543210-7";

    fn keep(root: &Path, folder: &str, run: &str) {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(LAST), run).unwrap();
        symlink("/nix/store/x", folder.join("x86_64-linux.a")).unwrap();
    }

    #[test]
    fn what_is_gone_goes_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for folder in [
            "team/site",
            "team/site/^release-1",
            "team/site/^gone",
            "team/site/^feature%2Fa",
            "team/old",
            "team/old/^release-1",
            "tools",
            "tools/^whatever",
            "tools/^deleted",
            "alone",
        ] {
            keep(root, folder, OURS);
        }
        for folder in ["theirs", "theirs/^x", "team/site/^theirs"] {
            keep(root, folder, OTHERS);
        }
        // As the predecessor has it: nobody has said whose it is.
        fs::create_dir_all(root.join("legacy/drvs")).unwrap();
        symlink("/nix/store/x", root.join("legacy/a")).unwrap();
        let known = ["release-1", "feature/a"].map(str::to_owned);
        let existing = Existing {
            projects: BTreeMap::from([
                ("team/site".to_owned(), Branches::Only(known.into())),
                (
                    "tools".to_owned(),
                    Branches::AllBut(["deleted".to_owned()].into()),
                ),
            ]),
        };
        let run = OURS.parse().unwrap();
        assert_eq!(forget(root, &run, &existing).unwrap(), 5);
        let left = |folder: &str| root.join(folder).join("x86_64-linux.a").is_symlink();
        for folder in [
            "team/site",
            "team/site/^release-1",
            "team/site/^feature%2Fa",
            "team/site/^theirs",
            "tools",
            "tools/^whatever",
            "theirs",
            "theirs/^x",
        ] {
            assert!(left(folder), "{folder}");
        }
        assert!(root.join("legacy/a").is_symlink());
        for folder in ["team/site/^gone", "tools/^deleted", "team/old", "alone"] {
            assert!(!root.join(folder).exists(), "{folder}");
        }
        assert_eq!(forget(root, &run, &existing).unwrap(), 0);
        assert_eq!(forget(&root.join("no"), &run, &existing).unwrap(), 0);
    }
}
