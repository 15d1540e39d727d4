use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use buildbot_nix_core::error::Error;
use buildbot_nix_core::patches::{PACKAGES, PatchedPackage};

use crate::{Exit, output};

/// Make the installed Buildbot and Twisted faster with this project's patches
///
/// For a Buildbot that was installed with pip; on NixOS the packages have the patches already.
/// Everything works without them, only slower. Applying them again changes nothing; so does every
/// command while the versions are not those that the patches are for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  buildbot-nix apply-patches
  buildbot-nix apply-patches --check --python ~/ci/venv/bin/python

Exit status: 0 patched (--revert: not patched), 1 it is not, 3 it cannot be told or done here")]
pub(crate) struct Arguments {
    /// Only tell whether they are applied
    #[arg(long, conflicts_with = "revert")]
    check: bool,

    /// Take them away again
    #[arg(long)]
    revert: bool,

    /// The Python whose packages are meant, if it is not the one that this command came with
    #[arg(long)]
    python: Option<PathBuf>,
}

/// The console script of the wheel says here which Python it runs in.
const PYTHON_VARIABLE: &str = "BUILDBOT_NIX_PYTHON";

/// Prints version and folder of the package that is its argument. Imports nothing of it.
const PROBE: &str = "
import importlib.metadata as m, importlib.util as u, os, sys
print(m.version(sys.argv[1]))
print(os.path.dirname(u.find_spec(sys.argv[1]).origin))";

/// What the files of a package are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Stock,
    Patched,
    Other,
}

/// A package as it is installed, with its files in both states.
struct Installed {
    package: &'static PatchedPackage,
    version: String,
    folder: PathBuf,
    state: State,
    /// The files in the state in which they are not.
    other: tempfile::TempDir,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    match work(arguments) {
        Ok((text, exit)) => {
            let said = output::say(&text);
            if said == Exit::Success { exit } else { said }
        }
        Err(Failure::Error(error)) => output::fail(&error),
        Err(Failure::Message(message)) => {
            output::warn(&format!("error: {message}\n"));
            Exit::Machine
        }
    }
}

/// Why nothing could be done.
enum Failure {
    Error(Error),
    Message(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn work(arguments: &Arguments) -> Result<(String, Exit), Failure> {
    let wanted = if arguments.revert {
        State::Stock
    } else {
        State::Patched
    };
    // All of them first: half of them patched helps nobody.
    let python = arguments
        .python
        .clone()
        .or_else(own_python)
        .unwrap_or_else(|| "python3".into());
    let installed = PACKAGES
        .iter()
        .map(|package| look(package, &python))
        .collect::<Result<Vec<Installed>, Failure>>()?;
    let mut text = String::new();
    let mut exit = Exit::Success;
    for found in &installed {
        let (said, result) = if found.state == State::Other {
            (found.why_not(&python), Exit::Machine)
        } else if found.state == wanted {
            (format!("{} already", word(wanted)), Exit::Success)
        } else if arguments.check {
            (word(found.state).to_owned(), Exit::Negative)
        } else {
            exchange(found)?;
            (
                format!("{} now; restart the master", word(wanted)),
                Exit::Success,
            )
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {}: {said}", found.package.name, found.version);
        exit = exit.max(result);
    }
    Ok((text, exit))
}

fn word(state: State) -> &'static str {
    match state {
        State::Stock => "not patched",
        State::Patched => "patched",
        State::Other => "neither patched nor as it was",
    }
}

impl Installed {
    /// Why nothing can be done with it, and what would help.
    fn why_not(&self, python: &Path) -> String {
        let (name, version) = (self.package.name, &self.version);
        if version != self.package.version {
            let right = self.package.version;
            return format!("the patches are for {right}; left alone, everything works without");
        }
        let python = python.display();
        format!(
            "somebody else changed it, or another version of buildbot-nix patched it; left alone. \
             To begin anew:\n  {python} -m pip install --force-reinstall --no-deps {name}=={version}"
        )
    }
}

/// The Python in which this command runs, if it is the wheel's.
pub(crate) fn own_python() -> Option<PathBuf> {
    let own = std::env::var_os(PYTHON_VARIABLE).filter(|python| !python.is_empty());
    own.map(PathBuf::from)
}

/// What `python` has of `package`.
fn look(package: &'static PatchedPackage, python: &Path) -> Result<Installed, Failure> {
    let probed = Command::new(python)
        .args(["-c", PROBE, package.name])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::io("run", python, error))?;
    let text = String::from_utf8_lossy(&probed.stdout);
    let mut lines = text.lines();
    let (Some(version), Some(folder)) = (lines.next(), lines.next()) else {
        let name = package.name;
        return Err(Failure::Message(format!(
            "`{}` has no {name}: name the Python of the environment that has it with `--python`",
            python.display()
        )));
    };
    let folder = PathBuf::from(folder);
    let (state, other) = if version == package.version {
        compare(package, &folder)?
    } else {
        (State::Other, scratch()?)
    };
    Ok(Installed {
        package,
        version: version.to_owned(),
        folder,
        state,
        other,
    })
}

fn scratch() -> Result<tempfile::TempDir, Error> {
    tempfile::tempdir().map_err(|error| Error::io("make a folder in", std::env::temp_dir(), error))
}

/// The state of the files in `folder`, and the files in the other one.
fn compare(package: &PatchedPackage, folder: &Path) -> Result<(State, tempfile::TempDir), Failure> {
    for (state, reverse) in [(State::Stock, false), (State::Patched, true)] {
        let copy = scratch()?;
        for file in package.files() {
            let target = copy.path().join(package.name).join(file);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(|error| Error::io("make", parent, error))?;
            }
            let source = folder.join(file);
            match fs::copy(&source, &target) {
                Ok(_) => {}
                // A patch may add it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("read", &source, error).into()),
            }
        }
        if apply(package, copy.path(), reverse)? {
            return Ok((state, copy));
        }
    }
    Ok((State::Other, scratch()?))
}

/// Whether all patches could be applied, or taken away, in `folder`.
fn apply(package: &PatchedPackage, folder: &Path, reverse: bool) -> Result<bool, Failure> {
    let mut patches: Vec<_> = package.patches.iter().collect();
    if reverse {
        patches.reverse();
    }
    for (name, text) in patches {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|error| Error::io("write", &file, error))?;
        let mut arguments: Vec<OsString> = ["apply", "-p2", "--whitespace=nowarn"]
            .map(Into::into)
            .into();
        if reverse {
            arguments.push("--reverse".into());
        }
        for path in package.files() {
            arguments.push(format!("--include={}/{path}", package.name).into());
        }
        arguments.push(file.into());
        let done = Command::new("git")
            .args(arguments)
            .current_dir(folder)
            // Not as a part of a repository around it.
            .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::io("run", "git", error))?;
        if !done.status.success() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts the files of the other state into their places.
fn exchange(found: &Installed) -> Result<(), Error> {
    let files = found.package.files();
    let beside = |file: &str| found.folder.join(format!("{file}.buildbot-nix"));
    // All of them beside first, so that no lack of space or rights leaves a package patched in part.
    for file in &files {
        let target = beside(file);
        let source = found.other.path().join(found.package.name).join(file);
        fs::copy(&source, &target).map_err(|error| {
            for written in &files {
                let _ = fs::remove_file(beside(written));
            }
            Error::io("write", &target, error)
        })?;
    }
    for file in &files {
        let target = found.folder.join(file);
        fs::rename(beside(file), &target).map_err(|error| Error::io("replace", &target, error))?;
    }
    Ok(())
}
