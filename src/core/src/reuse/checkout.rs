use std::fmt::Write as _;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::key::{Key, digest};
use super::lock::Lock;
use super::own_commit;
use crate::process::{Captured, CommandSpec, capture};

/// Time for one command.
const LIMIT: Duration = Duration::from_secs(60);
/// What Nix calls a lock file.
const LOCK_FILE: &str = "flake.lock";
/// Settings that say how something is fetched or where a credential is, not what it is. They
/// change from run to run.
const SETTINGS_WITHOUT_A_SAY: [&str; 3] = ["access-tokens", "netrc-file", "ssl-cert-file"];
/// Variables by which Nix finds its store.
const VARIABLES: [&str; 4] = ["NIX_STORE_DIR", "NIX_STATE_DIR", "NIX_REMOTE", "NIX_STORE"];

/// A key for what the flake in `flake_dir` of the checkout at `directory` evaluates to, as far as
/// its files and this machine's Nix have a say. `None` if more may have: files that are not
/// committed, inputs that are not locked.
pub(crate) fn files_key(directory: &Path, flake_dir: &str, lock_file: &str) -> Option<Key> {
    thread::scope(|scope| {
        // Nix takes as long for its settings as git for all it is asked.
        let settings = scope.spawn(settings);
        let mut key = committed_key(directory, flake_dir, lock_file)?;
        for name in VARIABLES {
            let value = std::env::var_os(name).unwrap_or_default();
            key.add(name, value.to_str()?);
        }
        let settings = settings.join();
        key.add(
            "settings",
            &settings.unwrap_or_else(|panic| resume_unwind(panic))?,
        );
        Some(key)
    })
}

/// The part of it that the files have.
fn committed_key(directory: &Path, flake_dir: &str, lock_file: &str) -> Option<Key> {
    let git = Git { directory };
    let folder = folder(flake_dir)?;
    let lock_path = if lock_file == LOCK_FILE {
        format!("{folder}{LOCK_FILE}")
    } else {
        lock_file.to_owned()
    };
    let flake_path = format!("{folder}flake.nix");
    let (identity, is_clean, files) = thread::scope(|scope| {
        let is_clean = scope.spawn(|| git.is_clean());
        let files = scope.spawn(|| git.files([&flake_path, &lock_path]));
        let identity = git.text(&[
            "rev-parse",
            "HEAD",
            "HEAD^{tree}",
            "--is-shallow-repository",
        ]);
        (identity, joined(is_clean), joined(files))
    });
    let identity = identity?;
    let [commit, tree, is_shallow] = identity.lines().collect::<Vec<_>>().try_into().ok()?;
    if !is_clean? {
        return None;
    }
    let [flake, lock] = files?;
    let flake = flake?;
    // Without the file that was named the key would stand for something else.
    if lock.is_none() && lock_file != LOCK_FILE {
        return None;
    }
    let pins = lock.as_deref().map_or(Some(Lock::NONE), Lock::read)?;

    let mut key = Key::new();
    key.add("tree", tree);
    key.add("folder", &folder);
    key.add("lock file", lock_file);
    let source = String::from_utf8(flake).ok();
    let may_see_commit = source.is_none_or(|source| own_commit::may_be_seen(&source));
    if may_see_commit || pins.passes_commit_on || git.writes_commit()? {
        key.add("commit", commit);
        key.add("shallow", is_shallow);
    }
    Some(key)
}

/// `flake_dir` as git wants it in front of a file's name.
fn folder(flake_dir: &str) -> Option<String> {
    let mut folder = String::new();
    for component in flake_dir.split('/') {
        match component {
            "" | "." => {}
            ".." => return None,
            name => {
                folder.push_str(name);
                folder.push('/');
            }
        }
    }
    Some(folder)
}

/// Stands for all of Nix's settings that have a say.
fn settings() -> Option<String> {
    let settings = ["config show", "show-config"].iter().find_map(|words| {
        let command = CommandSpec::new("nix")
            .args(["--extra-experimental-features", "nix-command"])
            .args(words.split(' '))
            .args(["--json"]);
        succeeded(&command)
    })?;
    let settings: serde_json::Value = serde_json::from_slice(&settings.stdout).ok()?;
    let mut said = String::new();
    for (name, setting) in settings.as_object()? {
        if !SETTINGS_WITHOUT_A_SAY.contains(&name.as_str()) {
            let _ = writeln!(said, "{name}={}", setting.get("value")?);
        }
    }
    Some(digest(said.as_bytes()))
}

/// A repository and its checkout.
struct Git<'d> {
    directory: &'d Path,
}

impl Git<'_> {
    /// A git that looks at what there is, and changes nothing.
    fn command(&self, arguments: &[&str]) -> CommandSpec {
        CommandSpec::new("git")
            .args(["--no-optional-locks", "--no-replace-objects", "-C"])
            .args([self.directory])
            .args(arguments.iter().copied())
    }

    fn text(&self, arguments: &[&str]) -> Option<String> {
        let captured = succeeded(&self.command(arguments))?;
        String::from_utf8(captured.stdout).ok()
    }

    /// Whether all that is tracked is as committed, so that Nix reads the commit.
    fn is_clean(&self) -> Option<bool> {
        let changes = self.text(&[
            "status",
            "--porcelain",
            "--untracked-files=no",
            "--ignore-submodules=dirty",
        ])?;
        Some(changes.is_empty())
    }

    /// What the commit has as these paths, as far as it has them; of a symbolic link, where it
    /// leads.
    fn files<const N: usize>(&self, paths: [&str; N]) -> Option<[Option<Vec<u8>>; N]> {
        // A line for each is all that git reads.
        if paths.iter().any(|path| path.contains('\n')) {
            return None;
        }
        let names = paths.map(|path| format!("HEAD:{path}\n")).concat();
        let command = self.command(&["cat-file", "--batch"]);
        let captured = capture(&command, names.as_bytes(), LIMIT).ok()?;
        if !captured.status.success() {
            return None;
        }
        let mut rest = captured.stdout.as_slice();
        let mut files = [const { None }; N];
        for file in &mut files {
            (*file, rest) = next_file(rest)?;
        }
        Some(files)
    }

    /// Whether git writes the commit into files when it exports them, as old versions of Nix have
    /// it do.
    fn writes_commit(&self) -> Option<bool> {
        let files = [
            "-e",
            "export-subst",
            "HEAD",
            "--",
            ":(glob)**/.gitattributes",
        ];
        let command = self.command(&["grep", "--quiet"]).args(files);
        match capture(&command, b"", LIMIT).ok()?.status.code()? {
            0 => Some(true),
            1 => Some(false),
            _ => None,
        }
    }
}

/// The next file in the output of `git cat-file --batch`, and what follows it: a line that ends with
/// the size, and so many bytes with another newline. No file if it is missing or something else.
fn next_file(output: &[u8]) -> Option<(Option<Vec<u8>>, &[u8])> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    let line = String::from_utf8_lossy(output.get(..end)?);
    let rest = output.get(end + 1..)?;
    let mut words = line.rsplit(' ');
    let (size, kind) = (words.next()?, words.next()?);
    let Ok(size) = size.parse::<usize>() else {
        return Some((None, rest));
    };
    let content = rest.get(..size)?;
    let file = (kind == "blob").then(|| content.to_vec());
    Some((file, rest.get(size + 1..)?))
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

fn succeeded(command: &CommandSpec) -> Option<Captured> {
    let captured = capture(command, b"", LIMIT).ok()?;
    captured.status.success().then_some(captured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_sizes() {
        let output = "0123 blob 4\na\nb\n\nHEAD:x 7 missing\n4567 tree 2\n\0\n\n89 blob 0\n\n";
        let mut rest = output.as_bytes();
        for expected in [Some(&b"a\nb\n"[..]), None, None, Some(b"")] {
            let (file, after) = next_file(rest).unwrap();
            assert_eq!(file.as_deref(), expected);
            rest = after;
        }
        assert_eq!(next_file(rest), None);
        assert_eq!(next_file(b"ab blob 9\nshort"), None);
    }
}
