//! The working tree of one slot, and the repository inside it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::cache::remove;
use super::failure::{self, Failure, trouble};
use super::git::Git;
use super::packs;
use crate::error::Error;

/// File in `.git` that says that all of it is ours.
const MARKER: &str = "buildbot-nix-checkout";
/// File in `.git` that says that submodules here were fetched with credentials.
const PRIVATE: &str = "buildbot-nix-private-submodules";
/// What stays in `.git` between runs: git checks the index against the files, packs are compared
/// by name, and submodules are brought to their commits.
const KEPT: [&str; 5] = [MARKER, PRIVATE, "index", "modules", "objects"];

/// The working tree.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) directory: PathBuf,
    /// Whether an earlier run left anything here.
    pub(super) is_reused: bool,
}

impl Tree {
    /// Makes `directory` a repository without commit. What of an earlier checkout helps is kept;
    /// what is nobody's checkout is removed if `replace` allows it.
    pub(super) fn prepare(directory: &Path, replace: bool, url: &str) -> Result<Self, Error> {
        let io = |error| Error::io("prepare the folder", directory, error);
        std::fs::create_dir_all(directory).map_err(io)?;
        let directory = directory.canonicalize().map_err(io)?;
        let git_dir = directory.join(".git");
        let is_reused = is_ours(&git_dir);
        if is_reused {
            forget(&git_dir).map_err(io)?;
        } else {
            if !replace && std::fs::read_dir(&directory).map_err(io)?.next().is_some() {
                let path = directory.display();
                return Err(Error::Nix {
                    message: format!("`{path}` is not empty, and no checkout made here"),
                    hint: Some("`--replace` removes what is in it".to_owned()),
                });
            }
            empty(&directory).map_err(io)?;
        }
        write_repository(&git_dir, url).map_err(io)?;
        Ok(Self {
            directory,
            is_reused,
        })
    }

    /// Removes everything.
    pub(super) fn discard(directory: &Path) -> Result<(), Error> {
        empty(directory).map_err(|error| Error::io("empty the folder", directory, error))
    }

    /// Whether there are submodules here that not every run may have.
    pub(super) fn has_private_submodules(&self) -> bool {
        self.directory.join(".git").join(PRIVATE).exists()
    }

    /// From now on there may be some.
    pub(super) fn expect_private_submodules(&self) -> Result<(), Error> {
        let marker = self.directory.join(".git").join(PRIVATE);
        std::fs::write(&marker, "").map_err(|error| Error::io("write", &marker, error))
    }

    /// Takes the packs of the clone.
    pub(super) fn take_packs(&self, from: &Path) -> Result<(), Failure> {
        let to = self.directory.join(".git/objects/pack");
        packs::share(from, &to)
            .map_err(|error| Failure::Local(Error::io("fill the repository", to, error)))
    }

    /// Makes the files those of `commit`, all of them and nothing else.
    pub(super) fn check_out(&self, git: &Git, commit: &str) -> Result<(), Failure> {
        let head = self.directory.join(".git/HEAD");
        std::fs::write(&head, format!("{commit}\n"))
            .map_err(|error| Error::io("write", &head, error))?;
        let reset = git.run(["reset", "--quiet", "--hard", commit])?;
        if !reset.status.success() {
            return Err(failure::local(
                &format!("cannot check out `{commit}`"),
                &reset,
            ));
        }
        let clean = git.run(["clean", "-ffdxq"])?;
        if !clean.status.success() {
            return Err(failure::local("cannot remove left-over files", &clean));
        }
        Ok(())
    }

    /// The hash of what `commit` has for files.
    pub(super) fn hash(git: &Git, commit: &str) -> Result<String, Failure> {
        let tree = git.line(["rev-parse", "--verify", &format!("{commit}^{{tree}}")])?;
        tree.ok_or_else(|| Failure::Local(trouble(format!("cannot read commit `{commit}`"))))
    }
}

fn is_ours(git_dir: &Path) -> bool {
    // A link would lead to somebody else's.
    let is_folder = git_dir.symlink_metadata().is_ok_and(|data| data.is_dir());
    is_folder && git_dir.join(MARKER).is_file()
}

/// Removes from `.git` what the next run must not find, such as locks of one that was killed.
fn forget(git_dir: &Path) -> io::Result<()> {
    let is_kept = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        KEPT.iter().any(|kept| name == *kept)
    };
    remove_entries(git_dir, is_kept)?;
    let objects = git_dir.join("objects");
    // Loose objects are merges of earlier runs; `info` may lead to other repositories.
    remove_entries(&objects, |entry| entry.file_name() == "pack")
}

fn empty(directory: &Path) -> io::Result<()> {
    remove_entries(directory, |_| false)
}

fn remove_entries(folder: &Path, is_kept: impl Fn(&std::fs::DirEntry) -> bool) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if is_kept(&entry) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            remove(&entry.path()).map_err(io::Error::other)?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What makes a folder a repository, written by us so that no template and no old setting is in
/// it.
fn write_repository(git_dir: &Path, url: &str) -> io::Result<()> {
    for folder in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
        std::fs::create_dir_all(git_dir.join(folder))?;
    }
    // `GitUrl` lets no control character through.
    let url = url.replace('\\', "\\\\").replace('"', "\\\"");
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
         [remote \"origin\"]\n\turl = \"{url}\"\n"
    );
    std::fs::write(git_dir.join("config"), config)?;
    std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/none\n")?;
    std::fs::write(git_dir.join(MARKER), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "").unwrap();
        let error = Tree::prepare(folder.path(), false, "u").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("is not empty, and no checkout made here")
        );
        assert!(folder.path().join("thesis.tex").exists());
        let tree = Tree::prepare(folder.path(), true, "u").unwrap();
        assert!(!tree.is_reused && !folder.path().join("thesis.tex").exists());
    }

    #[test]
    fn only_what_helps_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        Tree::prepare(folder.path(), false, "u").unwrap();
        let git_dir = folder.path().join(".git");
        std::fs::create_dir_all(git_dir.join("hooks")).unwrap();
        std::fs::create_dir_all(git_dir.join("objects/ab")).unwrap();
        let files = [
            "hooks/post-checkout",
            "index.lock",
            "index",
            "objects/info/alternates",
            "objects/pack/a.pack",
            "config",
        ];
        for file in files {
            std::fs::write(git_dir.join(file), "evil").unwrap();
        }
        let tree = Tree::prepare(folder.path(), false, "https://h/a#b\"c").unwrap();
        assert!(tree.is_reused);
        let left = files.map(|file| std::fs::read_to_string(git_dir.join(file)).ok());
        let text = left.map(Option::unwrap_or_default);
        assert_eq!(text[..5], ["", "", "evil", "", "evil"]);
        assert!(
            text[5].contains("url = \"https://h/a#b\\\"c\""),
            "{}",
            text[5]
        );
        assert!(!git_dir.join("objects/ab").exists());
    }

    #[test]
    fn a_link_to_a_repository_is_not_followed() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Tree::prepare(other.path(), false, "u").unwrap();
        std::os::unix::fs::symlink(other.path().join(".git"), folder.path().join(".git")).unwrap();
        let tree = Tree::prepare(folder.path(), true, "u").unwrap();
        assert!(!tree.is_reused && other.path().join(".git/HEAD").exists());
        assert!(
            folder
                .path()
                .join(".git")
                .symlink_metadata()
                .unwrap()
                .is_dir()
        );
    }
}
