use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Key;
use super::key::digest;
use crate::error::Error;
use crate::machine_line::{Decoder, Line, encode};
use crate::nix::StorePath;

/// How a result's name ends.
const SUFFIX: &str = ".lines";
/// How a name ends while the file is written.
const UNFINISHED: &str = ".new";
/// A result that nobody asked for is kept that long.
const AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// What is written takes seconds, so that an older one was given up.
const UNFINISHED_MAX: Duration = Duration::from_secs(24 * 3600);
/// Bytes of all results; those that were not used for longest go first.
const SIZE_MAX: u64 = 512 << 20;

/// A folder with results by key.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    directory: PathBuf,
}

/// What there is for a key.
#[derive(Debug, PartialEq)]
pub(crate) enum Recalled {
    Nothing,
    Result(Remembered),
    /// A file that cannot be used, and why. It is gone now.
    Damaged(String),
}

/// What an evaluation came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Remembered {
    /// What the evaluation was called.
    pub(crate) label: Option<String>,
    /// What refers to all its derivations: as long as this is valid, they are.
    pub(crate) manifest: Option<StorePath>,
    pub(crate) lines: Vec<Line>,
}

/// The first line of a result.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    label: Option<String>,
    manifest: Option<StorePath>,
    /// Of all that follows.
    sha256: String,
}

impl Store {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Looks for the result of `key`.
    pub(crate) fn recall(&self, key: &Key) -> Recalled {
        let path = self.path(key);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Recalled::Nothing,
            Err(error) => return Recalled::Damaged(Error::io("read", &path, error).to_string()),
        };
        let Some(recalled) = parse(&content) else {
            let _ = fs::remove_file(&path);
            let path = path.display();
            return Recalled::Damaged(format!("the remembered result `{path}` was damaged"));
        };
        // The time of last use. Without it the result only goes earlier.
        let _ = File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.set_modified(SystemTime::now()));
        recalled
    }

    /// Keeps the result of `key`, and lets others go.
    pub(crate) fn remember(&self, key: &Key, result: &Remembered) -> Result<(), Error> {
        let path = self.path(key);
        self.write(&path, &content(result))
            .map_err(|error| Error::io("write", &path, error))?;
        self.prune(AGE_MAX, SIZE_MAX);
        Ok(())
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}{SUFFIX}", key.digest()))
    }

    /// Readers see the old file or the new one, whoever else writes.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        // Error messages may show what is in private sources.
        let mut folders = fs::DirBuilder::new();
        folders
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}{UNFINISHED}", std::process::id());
        let unfinished = self.directory.join(name);
        let written = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .and_then(|mut file| file.write_all(content))
            .and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Removes what is too old, then what is too much. What cannot be removed is left to the next.
    fn prune(&self, age_max: Duration, size_max: u64) {
        let now = SystemTime::now();
        let mut results = Vec::new();
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let (Some(name), Ok(metadata)) = (name.to_str(), entry.metadata()) else {
                continue;
            };
            let used = metadata.modified().unwrap_or(now);
            let age = now.duration_since(used).unwrap_or_default();
            let limit = if name.ends_with(SUFFIX) {
                age_max
            } else if name.ends_with(UNFINISHED) {
                UNFINISHED_MAX
            } else {
                continue;
            };
            if age > limit {
                let _ = fs::remove_file(entry.path());
            } else {
                results.push((used, metadata.len(), entry.path()));
            }
        }
        results.sort_unstable_by(|one, other| other.cmp(one));
        let mut size = 0;
        for (_, length, path) in results {
            size += length;
            if size > size_max && path.extension().is_some_and(|it| it == "lines") {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn content(result: &Remembered) -> Vec<u8> {
    let body: Vec<u8> = result.lines.iter().flat_map(encode).collect();
    let head = Head {
        label: result.label.clone(),
        manifest: result.manifest.clone(),
        sha256: digest(&body),
    };
    let mut content = serde_json::to_vec(&head).unwrap_or_default();
    content.push(b'\n');
    content.extend_from_slice(&body);
    content
}

fn parse(content: &[u8]) -> Option<Recalled> {
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let (head, body) = content.split_at_checked(end + 1)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    if head.sha256 != digest(body) {
        return None;
    }
    let lines = Decoder::default().feed(body).ok()?;
    Some(Recalled::Result(Remembered {
        label: head.label,
        manifest: head.manifest,
        lines,
    }))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn key(name: &str) -> Key {
        let mut key = Key::new();
        key.add("name", name);
        key
    }

    fn result(label: Option<&str>, text: &str) -> Remembered {
        let message = text.repeat(5000);
        let manifest = format!("/nix/store/{:032}-m", 0).parse().unwrap();
        Remembered {
            label: label.map(str::to_owned),
            manifest: label.is_some().then_some(manifest),
            lines: vec![Line::Warning { message }, Line::Done { jobs: 1, failed: 2 }],
        }
    }

    #[test]
    fn results_are_found_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join("new/folder"));
        assert_eq!(store.recall(&key("a")), Recalled::Nothing);
        let [first, second] = [(Some("first"), "ü"), (None, "b")].map(|(a, b)| result(a, b));
        store.remember(&key("a"), &first).unwrap();
        store.remember(&key("b"), &second).unwrap();
        assert_eq!(store.recall(&key("a")), Recalled::Result(first));
        assert_eq!(store.recall(&key("b")), Recalled::Result(second));
        assert_eq!(store.recall(&key("c")), Recalled::Nothing);
    }

    #[test]
    fn a_damaged_file_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        store.remember(&key("a"), &result(None, "a")).unwrap();
        let path = store.path(&key("a"));
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 40], &whole[..10], &[], b"{}\n"] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(store.recall(&key("a")), Recalled::Damaged(_)));
            assert_eq!(store.recall(&key("a")), Recalled::Nothing);
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        for (hours, name) in [(3, "a"), (2, "b"), (1, "c")] {
            store.remember(&key(name), &result(None, name)).unwrap();
            let past = SystemTime::now() - Duration::from_secs(hours * 3600);
            let file = File::options().append(true).open(store.path(&key(name)));
            file.unwrap().set_modified(past).unwrap();
        }
        fs::write(folder.path().join("other"), "not ours").unwrap();
        store.recall(&key("a"));
        let size = fs::metadata(store.path(&key("a"))).unwrap().len();
        let left = || ["a", "b", "c"].map(|name| store.path(&key(name)).exists());
        store.prune(AGE_MAX, 2 * size + 10);
        assert_eq!(left(), [true, false, true]);
        store.prune(Duration::from_secs(1800), 10 * size);
        assert_eq!(left(), [true, false, false]);
        assert!(folder.path().join("other").exists());
    }

    #[test]
    fn concurrent_runs_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        thread::scope(|scope| {
            for text in ["a", "b", "c", "d"] {
                let store = &store;
                scope.spawn(move || {
                    for _ in 0..20 {
                        store
                            .remember(&key("k"), &result(Some(text), text))
                            .unwrap();
                        let recalled = store.recall(&key("k"));
                        assert!(matches!(recalled, Recalled::Result(_)), "{text}");
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
