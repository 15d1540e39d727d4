use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::RunName;
use crate::error::Error;
use crate::results::component;

/// Folder in that of a user. No project has a name that begins with a dot.
const IN_USERS: &str = ".buildbot-nix-runs";
/// Folder in that of a user's state.
const IN_STATE: &str = "buildbot-nix/runs";
/// Where Nix has its state if it is not said.
const NIX_STATE: &str = "/nix/var/nix";
/// Folders of other masters that nothing was done with for so long belong to nobody: a master says
/// with every evaluation that its runs live.
const AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where folders of runs may be on this machine, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolders(Vec<PathBuf>);

impl RunFolders {
    /// The places for who runs this process: first what Nix keeps for `user`, where a link is a
    /// root by itself, then the state folder of whoever this is.
    pub fn of(user: Option<&str>) -> Self {
        Self::with(user, |name| std::env::var_os(name))
    }

    fn with(user: Option<&str>, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let folder = |name| {
            variable(name)
                .map(PathBuf::from)
                .filter(|it| it.is_absolute())
        };
        let mut places = Vec::new();
        let state = folder("NIX_STATE_DIR").or_else(|| {
            // Any other store looks for roots in another place.
            let remote = variable("NIX_REMOTE").unwrap_or_default();
            let is_usual = ["", "auto", "daemon"].iter().any(|usual| remote == *usual);
            is_usual.then(|| NIX_STATE.into())
        });
        if let (Some(state), Some(user)) = (state, user) {
            let users = state.join("gcroots/per-user").join(component(user));
            places.push(users.join(IN_USERS));
        }
        let own = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
        places.extend(own.map(|own| own.join(IN_STATE)));
        Self(places)
    }

    /// Folders for something else, in the same places.
    pub(crate) fn beside(&self, what: &str) -> impl Iterator<Item = PathBuf> {
        self.0.iter().map(move |place| {
            let name = place.file_name().unwrap_or_default().to_string_lossy();
            place.with_file_name(name.replace("runs", what))
        })
    }

    /// Makes the folder of `run` in the first place where that is possible.
    pub(crate) fn make(&self, run: &RunName) -> Result<PathBuf, Error> {
        let mut refusals = Vec::new();
        for place in &self.0 {
            let folder = place.join(run.to_string());
            match fs::create_dir_all(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) => refusals.push(format!("`{}`: {error}", folder.display())),
            }
        }
        if refusals.is_empty() {
            refusals.push("neither `XDG_STATE_HOME` nor `HOME` is set".to_owned());
        }
        Err(Error::Nix {
            message: format!(
                "cannot make a folder for links to them: {}",
                refusals.join("; ")
            ),
            hint: None,
        })
    }

    /// Lets `read` look for something in the folders of `run`, until it finds it.
    pub(crate) fn find(
        &self,
        run: &RunName,
        mut read: impl FnMut(&Path) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        for place in &self.0 {
            if read(&place.join(run.to_string()))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets go what was kept for `run`. That there was nothing is fine.
    pub fn release(&self, run: &RunName) -> Result<(), Error> {
        let mut released = Ok(());
        for place in &self.0 {
            let folder = place.join(run.to_string());
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    released = Err(Error::io("remove", &folder, error));
                }
                _ => {}
            }
        }
        released
    }

    /// Lets go what runs left behind that nobody has released: those of the same master before
    /// `run`, but for the `live` ones, and what nothing was done with for very long. What cannot
    /// be removed is left to the next.
    pub(crate) fn sweep(&self, run: &RunName, live: &BTreeSet<u64>) {
        let now = SystemTime::now();
        for place in &self.0 {
            for entry in fs::read_dir(place).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let Some(other) = name.to_str().and_then(|it| it.parse::<RunName>().ok()) else {
                    continue;
                };
                let is_known = other.master() == run.master() && other.number() <= run.number();
                let is_alive = other == *run || live.contains(&other.number());
                if is_known && is_alive {
                    touch(&entry.path(), now);
                } else if is_known || is_forgotten(&entry.path(), now) {
                    let _ = fs::remove_dir_all(entry.path());
                }
            }
        }
    }
}

fn touch(folder: &Path, now: SystemTime) {
    // If that is not possible, only runs of many days are in danger.
    let _ = File::open(folder).and_then(|folder| folder.set_modified(now));
}

fn is_forgotten(folder: &Path, now: SystemTime) -> bool {
    let used = fs::symlink_metadata(folder).and_then(|metadata| metadata.modified());
    used.ok()
        .and_then(|used| now.duration_since(used).ok())
        .is_some_and(|age| age > AGE_MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn run(name: &str) -> RunName {
        name.parse().unwrap()
    }

    #[rstest]
    #[case(&[("HOME", "/h")], &["/nix/var/nix/gcroots/per-user/ci/.buildbot-nix-runs", "/h/.local/state/buildbot-nix/runs"])]
    #[case(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s"), ("NIX_REMOTE", "daemon")], &["/nix/var/nix/gcroots/per-user/ci/.buildbot-nix-runs", "/s/buildbot-nix/runs"])]
    #[case(&[("NIX_STATE_DIR", "/n"), ("NIX_REMOTE", "local?root=/x")], &["/n/gcroots/per-user/ci/.buildbot-nix-runs"])]
    #[case(&[("HOME", "/h"), ("NIX_REMOTE", "local?root=/x")], &["/h/.local/state/buildbot-nix/runs"])]
    #[case(&[("HOME", ""), ("XDG_STATE_HOME", "s"), ("NIX_REMOTE", "local")], &[])]
    fn folders_are_where_nix_looks(#[case] variables: &[(&str, &str)], #[case] expected: &[&str]) {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(found.1))
        };
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(RunFolders::with(Some("ci"), find).0, expected);
    }

    #[test]
    fn a_user_is_one_component() {
        let folders = RunFolders::with(Some("../../x"), |_| None);
        let expected = "/nix/var/nix/gcroots/per-user/..%2F..%2Fx/.buildbot-nix-runs";
        assert_eq!(folders.0, [PathBuf::from(expected)]);
        assert_eq!(RunFolders::with(None, |_| None).0, Vec::<PathBuf>::new());
    }

    #[test]
    fn the_next_place_is_taken_where_one_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let closed = folder.path().join("file");
        fs::write(&closed, "").unwrap();
        let open = folder.path().join("new/open");
        let folders = RunFolders(vec![closed.clone(), open.clone()]);
        assert_eq!(folders.make(&run("m-1")).unwrap(), open.join("m-1"));
        // One place that cannot be looked at is no reason to leave the others.
        folders.release(&run("m-1")).unwrap_err();
        assert_eq!(fs::read_dir(&open).unwrap().count(), 0);

        let error = RunFolders(vec![closed]).make(&run("m-1")).unwrap_err();
        assert!(error.to_string().contains("file/m-1`: "), "{error}");
        let error = RunFolders(Vec::new()).make(&run("m-1")).unwrap_err();
        assert!(error.to_string().contains("`HOME`"), "{error}");
    }

    #[test]
    fn what_nobody_needs_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let folders = RunFolders(vec![folder.path().join("none"), folder.path().to_owned()]);
        let long_ago = SystemTime::now() - AGE_MAX - Duration::from_secs(60);
        let names = [
            "m-1", "m-2", "m-9", "m-10", "other-1", "old-1", "m-99", "notes", "m.1",
        ];
        for name in names {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["m-2", "m-9", "old-1", "m-99", "notes"] {
            touch(&folder.path().join(name), long_ago);
        }
        folders.sweep(&run("m-9"), &[2, 5, 99].into());
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort_unstable();
        assert_eq!(left, ["m-10", "m-2", "m-9", "m.1", "notes", "other-1"]);
        // To another master they are alive now.
        folders.sweep(&run("other-5"), &[1].into());
        assert!(folder.path().join("m-2").exists());
    }

    #[test]
    fn releasing_twice_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let folders = RunFolders(vec![folder.path().to_owned()]);
        let made = folders.make(&run("m-1")).unwrap();
        std::os::unix::fs::symlink("/nowhere", made.join("link")).unwrap();
        folders.release(&run("m-1")).unwrap();
        folders.release(&run("m-1")).unwrap();
        assert!(!made.exists());
    }
}
