//! Real repositories, and the command on them.

#![allow(dead_code, reason = "shared by several tests")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use buildbot_nix_core::machine_line::{Checkout, Decoder, Line};

/// A folder with a bare repository, a clone to commit in, and room for checkouts.
pub(crate) struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// With one commit on `main`.
    pub(crate) fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(site.path("home")).unwrap();
        site.repository("origin");
        site
    }

    /// Makes another bare repository with a clone, `<name>.git` and `<name>`.
    pub(crate) fn repository(&self, name: &str) {
        let bare = self.path(&format!("{name}.git"));
        let clone = self.path(name);
        git(
            &self.path(""),
            &[
                "init",
                "--quiet",
                "--bare",
                "-b",
                "main",
                bare.to_str().unwrap(),
            ],
        );
        let url = format!("file://{}", bare.display());
        git(
            &self.path(""),
            &["clone", "--quiet", &url, clone.to_str().unwrap()],
        );
        git(&clone, &["checkout", "--quiet", "-B", "main"]);
        self.commit_in(name, "main", &[("file", "one\n")]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path("origin.git").display())
    }

    /// Commits `files` on `branch` of `origin` and pushes; returns the commit.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
        self.commit_in("origin", branch, files)
    }

    pub(crate) fn commit_in(&self, name: &str, branch: &str, files: &[(&str, &str)]) -> String {
        let clone = self.path(name);
        for (file, text) in files {
            let path = clone.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.commit_all(name, branch)
    }

    pub(crate) fn commit_all(&self, name: &str, branch: &str) -> String {
        let clone = self.path(name);
        git(&clone, &["add", "--all"]);
        git(
            &clone,
            &["commit", "--quiet", "--allow-empty", "-m", "Change"],
        );
        let target = format!("HEAD:refs/heads/{branch}");
        git(&clone, &["push", "--quiet", "--force", "origin", &target]);
        git(&clone, &["rev-parse", "HEAD"])
    }

    /// Git in the clone of `origin`.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.path("origin"), arguments)
    }

    /// The command for the checkout `name`, ready to be started.
    pub(crate) fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_buildbot-nix"));
        command
            .args(["checkout", &self.url()])
            .arg(self.path(name))
            .args(["--format", "json"])
            .args(arguments)
            .env("HOME", self.path("home"))
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn checkout(&self, name: &str, arguments: &[&str]) -> Ran {
        Ran::from_output(&self.command(name, arguments).output().unwrap())
    }

    /// The bare clone that the command made.
    pub(crate) fn clone_dir(&self) -> PathBuf {
        let caches = std::fs::read_dir(self.path("home/.cache/buildbot-nix/git")).unwrap();
        let mut folders = caches
            .flatten()
            .map(|e| e.path())
            .filter(|path| path.is_dir());
        folders.next().unwrap()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap()
    }
}

/// What one call of the command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    line: Line,
    pub(crate) log: String,
}

impl Ran {
    pub(crate) fn from_output(output: &Output) -> Self {
        let mut decoder = Decoder::default();
        let mut lines = decoder.feed(&output.stdout).unwrap();
        decoder.finish().unwrap();
        assert_eq!(lines.len(), 1, "{output:?}");
        Self {
            code: output.status.code().unwrap(),
            line: lines.remove(0),
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn of(child: Child) -> Self {
        Self::from_output(&child.wait_with_output().unwrap())
    }

    pub(crate) fn done(self) -> Checkout {
        match self.line {
            Line::Checkout(checkout) if self.code == 0 => checkout,
            _ => panic!("{self:?}"),
        }
    }

    /// The exit status and the reason.
    pub(crate) fn failed(self) -> (i32, String) {
        match self.line {
            Line::Fatal { message, .. } => (self.code, message),
            _ => panic!("{self:?}"),
        }
    }
}

/// What `git <arguments>` prints in `folder`.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Alice")
        .env("GIT_AUTHOR_EMAIL", "alice@example.org")
        .env("GIT_COMMITTER_NAME", "Alice")
        .env("GIT_COMMITTER_EMAIL", "alice@example.org")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {text}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
