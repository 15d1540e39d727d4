use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::nix::StorePath;
use crate::results::component;
use crate::run_roots::RunFolders;

/// Folder beside those of runs.
const FOLDER: &str = "uploads";

/// What waits on this machine to be uploaded to one cache: a folder of links, which are called like
/// what they lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    cache: String,
    places: Vec<PathBuf>,
}

/// One path that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) path: StorePath,
    pub(super) age: Duration,
    link: PathBuf,
}

impl Queue {
    /// That of the cache called `cache`. Links are gc roots where those of runs are.
    pub fn of(cache: &str, folders: &RunFolders) -> Self {
        let places = folders.beside(FOLDER);
        Self::at(cache, places.map(|place| place.join(component(cache))))
    }

    pub(super) fn at(cache: &str, places: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            cache: cache.to_owned(),
            places: places.into_iter().collect(),
        }
    }

    /// Puts `paths` into it; what waits already keeps its place.
    pub fn add<'p>(&self, paths: impl IntoIterator<Item = &'p StorePath>) -> Result<(), Error> {
        let folder = self.make()?;
        for path in paths {
            let link = folder.join(base(path));
            match symlink(path.as_str(), &link) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("make the link", &link, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn make(&self) -> Result<&Path, Error> {
        let mut refusals = Vec::new();
        for place in &self.places {
            match fs::create_dir_all(place) {
                Ok(()) => return Ok(place),
                Err(error) => refusals.push(format!("`{}`: {error}", place.display())),
            }
        }
        Err(Error::Nix {
            message: format!(
                "cannot make a folder for what is to be uploaded to `{}`: {}",
                self.cache,
                refusals.join("; ")
            ),
            hint: None,
        })
    }

    /// What waits, the longest first.
    pub(super) fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        let now = SystemTime::now();
        let mut waiting = Vec::new();
        for place in &self.places {
            let entries = match fs::read_dir(place) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("list", place, error)),
            };
            for entry in entries {
                let link = entry
                    .map_err(|error| Error::io("list", place, error))?
                    .path();
                let target = fs::read_link(&link).ok();
                let path =
                    target.and_then(|target| StorePath::try_from(target.to_str()?.to_owned()).ok());
                let Some(path) = path else { continue };
                let made = fs::symlink_metadata(&link).and_then(|it| it.modified());
                let age = made.ok().and_then(|made| now.duration_since(made).ok());
                waiting.push(Waiting {
                    path,
                    age: age.unwrap_or_default(),
                    link,
                });
            }
        }
        waiting.sort_by(|left, right| {
            right
                .age
                .cmp(&left.age)
                .then_with(|| left.link.cmp(&right.link))
        });
        Ok(waiting)
    }
}

impl Waiting {
    /// It waits no more.
    pub(super) fn remove(&self) -> Result<(), Error> {
        match fs::remove_file(&self.link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &self.link, error))
            }
            _ => Ok(()),
        }
    }
}

fn base(path: &StorePath) -> &str {
    let path = path.as_str();
    path.rsplit('/').next().unwrap_or(path)
}
