//! Files on the master that say what each attribute was last built as, for people and scripts:
//! `<folder>/<owner>/<repository>/<branch>/<attribute>`, each part quoted as in the query of a URL,
//! with the path of output `out` and nothing else. Other outputs have `<attribute>^<output>`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::forget::Branches;
use super::place::MARK;
use crate::error::Error;
use crate::nix::StorePath;
use crate::run::{Outcome, Run};

/// What stands for itself in a quoted part.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');
/// Name of the file that says which build of an evaluation wrote here last. `^` is in no quoted part.
const LAST: &str = "^last";
/// How names of what is being made begin.
const BEING_MADE: &str = "^^";
/// Owner of what no forge knows.
const NO_OWNER: &str = "unknown";

/// The files of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFiles {
    folder: PathBuf,
    /// Number of the evaluation's build.
    build: u64,
}

/// Output paths by output name.
pub type Paths = BTreeMap<String, StorePath>;

/// A part of a path, as `quote_plus` of Python's `urllib` writes it. None for what would not stay below
/// its folder.
pub(super) fn quote(part: &str) -> Option<String> {
    if matches!(part, "" | "." | "..") {
        return None;
    }
    // A blank is `+`, and `+` itself is encoded.
    let quoted = utf8_percent_encode(part, QUOTED).to_string();
    Some(quoted.replace("%20", "+"))
}

/// The folder of a project below `root`. `repository` has owner and name, if a forge knows it.
pub fn project_outputs(
    root: &Path,
    project: &str,
    repository: Option<(&str, &str)>,
) -> Option<PathBuf> {
    let (owner, name) = repository.unwrap_or((NO_OWNER, project));
    Some(root.join(quote(owner)?).join(quote(name)?))
}

impl OutputFiles {
    /// Those of `branch`, for the evaluation with that build, in the folder of a project. None for a
    /// branch without a name that a folder can have.
    pub fn of(project: &Path, branch: &str, build: u64) -> Option<Self> {
        let folder = project.join(quote(branch)?);
        Some(Self { folder, build })
    }

    /// Says what one attribute was built as, unless a newer evaluation has been here.
    pub fn write(&self, attr: &str, paths: &Paths) -> Result<(), Error> {
        if !self.is_newest()? {
            return Ok(());
        }
        self.make_folder()?;
        self.write_all(attr, paths)
    }

    /// Says what each attribute of a run that has ended is, and removes what the run shows to be gone.
    pub fn update(&self, run: &Results) -> Result<(), Error> {
        if !self.is_newest()? {
            return Ok(());
        }
        self.make_folder()?;
        replace(&self.folder.join(LAST), &self.build.to_string())?;
        for (attr, paths) in &run.present {
            self.write_all(attr, paths)?;
        }
        self.remove_gone(run)
    }

    fn make_folder(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.folder).map_err(|error| Error::io("make", &self.folder, error))
    }

    fn write_all(&self, attr: &str, paths: &Paths) -> Result<(), Error> {
        for (output, path) in paths {
            if let Some(name) = file_name(attr, output) {
                replace(&self.folder.join(name), path.as_str())?;
            }
        }
        Ok(())
    }

    fn is_newest(&self) -> Result<bool, Error> {
        let path = self.folder.join(LAST);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text
                .trim()
                .parse()
                .is_ok_and(|last: u64| last <= self.build)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }

    fn remove_gone(&self, run: &Results) -> Result<(), Error> {
        if !run.is_complete {
            return Ok(());
        }
        let known: HashSet<String> = run
            .attributes
            .iter()
            .filter_map(|attr| quote(attr))
            .collect();
        let unknown: Vec<String> = run
            .unknown
            .iter()
            .filter_map(|attr| quote(&format!("{attr}.")))
            .collect();
        for entry in list(&self.folder)? {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with(MARK)) else {
                continue;
            };
            let attr = name.split(MARK).next().unwrap_or(name);
            let may_be_there = known.contains(attr)
                || unknown
                    .iter()
                    .any(|prefix| attr.starts_with(prefix.as_str()));
            if !may_be_there {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// What a run says of results.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// Attributes that are built, and their outputs as far as they are known.
    present: Vec<(String, Paths)>,
    /// All attributes.
    attributes: Vec<String>,
    /// What may have attributes below it that nobody has seen.
    unknown: Vec<String>,
    is_complete: bool,
}

impl Results {
    /// Those of `run`, which has ended.
    pub fn of(run: &Run) -> Self {
        let mut results = Self {
            is_complete: run.fatal().is_none() && !run.is_cancelled(),
            ..Self::default()
        };
        for attribute in run.attributes() {
            let attr = attribute.attr.clone();
            match (&attribute.outcome, &attribute.job) {
                (Outcome::EvaluationFailed { .. }, _) => results.unknown.push(attr.clone()),
                (Outcome::Built { .. } | Outcome::AlreadyThere, Some(job)) => {
                    let known = job.outputs.iter();
                    let paths = known
                        .filter_map(|(name, path)| Some((name.clone(), path.clone()?)))
                        .collect();
                    results.present.push((attr.clone(), paths));
                }
                _ => {}
            }
            results.attributes.push(attr);
        }
        for skipped in run.skipped() {
            results.unknown.push(skipped.system.clone());
            results
                .attributes
                .extend(skipped.attr_paths.iter().map(ToString::to_string));
        }
        results
    }
}

/// The file of an output of an attribute.
fn file_name(attr: &str, output: &str) -> Option<String> {
    let attr = quote(attr)?;
    if output == "out" {
        return Some(attr);
    }
    Some(format!("{attr}{MARK}{}", quote(output)?))
}

/// Makes a file that has `text`, in one step, unless it has that already.
fn replace(path: &Path, text: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|now| now == text) {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The name may be as long as names can be.
    let staged = path.with_file_name(format!(
        "{BEING_MADE}{}",
        super::component::digits(name.as_bytes())
    ));
    let write = || {
        fs::write(&staged, text)?;
        fs::rename(&staged, path)
    };
    write().map_err(|error| Error::io("write", path, error))
}

/// Removes the folders of branches that are gone, and of projects that are, below `root`.
///
/// `projects` are the folders of all that there are, and the branches that may be. Only folders that
/// have been written here are touched.
pub fn forget_outputs(root: &Path, projects: &BTreeMap<PathBuf, Branches>) -> Result<usize, Error> {
    let mut removed = 0;
    for owner in folders(root)? {
        for project in folders(&owner)? {
            let branches = projects.get(&project);
            let lives = |folder: &Path| {
                let is_its =
                    |branch: &str| quote(branch).is_some_and(|name| folder.ends_with(name));
                branches.is_some_and(|branches| branches.may_have(is_its))
            };
            for branch in folders(&project)? {
                if !lives(&branch) && branch.join(LAST).exists() {
                    fs::remove_dir_all(&branch)
                        .map_err(|error| Error::io("remove", &branch, error))?;
                    removed += 1;
                }
            }
            // Only if nothing is left in them.
            let _ = fs::remove_dir(&project);
        }
        let _ = fs::remove_dir(&owner);
    }
    Ok(removed)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = list(folder)?.into_iter();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|entry| entry.path()).collect())
}

fn list(folder: &Path) -> Result<Vec<fs::DirEntry>, Error> {
    match fs::read_dir(folder).and_then(Iterator::collect) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|error| Error::io("list", folder, error)),
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, error))
        }
        _ => Ok(()),
    }
}
