//! Which lines of the repository an error is about.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::Source;
use crate::machine_line::Position;

/// Largest file that is compared.
const FILE_MAX: u64 = 4 << 20;

/// Finds places in a checkout.
///
/// Nix evaluates a copy of it in the store, where those of other flakes are called alike. The one
/// whose file is that of the checkout is meant.
#[derive(Debug, Default)]
pub(super) struct Places {
    directory: Option<PathBuf>,
    /// Whether a folder of the store is the copy.
    copies: HashMap<PathBuf, bool>,
}

impl Places {
    /// Those of `source`; of what is no checkout there are none.
    pub(super) fn of(source: &Source) -> Self {
        let directory = match source {
            Source::Reference(_) => None,
            Source::Checkout { directory, .. } => directory.canonicalize().ok(),
        };
        Self {
            directory,
            copies: HashMap::new(),
        }
    }

    /// The last place in `error` that is in the checkout. Nix begins with what is farthest from the
    /// error itself.
    pub(super) fn find(&mut self, error: &str) -> Option<Position> {
        let mut mentioned: Vec<Mention> = error.lines().filter_map(mention).collect();
        while let Some(Mention { path, line, column }) = mentioned.pop() {
            if let Some(file) = self.in_checkout(Path::new(path)) {
                return Some(Position { file, line, column });
            }
        }
        None
    }

    /// `path` below the checkout, if it is in that or in its copy.
    fn in_checkout(&mut self, path: &Path) -> Option<String> {
        let directory = self.directory.as_deref()?;
        let below = if let Ok(below) = path.strip_prefix(directory) {
            below
        } else {
            let (copy, below) = split(path)?;
            let is_copy = self
                .copies
                .entry(copy)
                .or_insert_with_key(|copy| is_same(&copy.join(below), &directory.join(below)));
            is_copy.then_some(below)?
        };
        let is_plain = |component| matches!(component, Component::Normal(_));
        let is_inside = !below.as_os_str().is_empty() && below.components().all(is_plain);
        (is_inside && directory.join(below).is_file())
            .then(|| below.to_str().map(str::to_owned))
            .flatten()
    }
}

/// A file, and a place in it.
#[derive(Debug, PartialEq, Eq)]
struct Mention<'e> {
    path: &'e str,
    line: u32,
    column: u32,
}

/// What a line like `at /nix/store/…-source/flake.nix:11:17:` mentions.
fn mention(line: &str) -> Option<Mention<'_>> {
    let line = line.trim();
    let start = line.find("at /")? + "at ".len();
    let place = line.get(start..)?;
    let place = place.strip_suffix(':').unwrap_or(place);
    let (rest, column) = place.rsplit_once(':')?;
    let (path, line) = rest.rsplit_once(':')?;
    Some(Mention {
        path,
        line: line.parse().ok().filter(|line| *line > 0)?,
        column: column.parse().ok()?,
    })
}

/// The folder of the store that `path` is in, and the rest.
fn split(path: &Path) -> Option<(PathBuf, &Path)> {
    let is_copy = |folder: &&Path| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.ends_with("-source"))
    };
    // The outermost: the repository may have such folders too.
    let copy = path.ancestors().filter(is_copy).last()?;
    Some((copy.to_owned(), path.strip_prefix(copy).ok()?))
}

fn is_same(left: &Path, right: &Path) -> bool {
    let is_small = |path: &Path| {
        let metadata = path.symlink_metadata();
        metadata.is_ok_and(|found| found.is_file() && found.len() <= FILE_MAX)
    };
    is_small(left)
        && is_small(right)
        && std::fs::read(left)
            .is_ok_and(|left| std::fs::read(right).is_ok_and(|right| left == right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("       at /nix/store/x-source/a b.nix:12:21:", Some(("/nix/store/x-source/a b.nix", 12, 21)))]
    #[case("         at /s/flake.nix:1:2", Some(("/s/flake.nix", 1, 2)))]
    #[case("whose name attribute is located at /s/flake.nix:6:29", Some(("/s/flake.nix", 6, 29)))]
    #[case("  at <nix/derivation-internal.nix>:37:12:", None)]
    #[case("  at «string»:1:2:", None)]
    #[case("  at /s/flake.nix:0:2", None)]
    #[case("  at /s/flake.nix:12", None)]
    #[case("  11|   # at noon", None)]
    #[case("at /", None)]
    #[case("", None)]
    fn lines_that_mention_a_place(#[case] line: &str, #[case] found: Option<(&str, u32, u32)>) {
        let expected = found.map(|(path, line, column)| Mention { path, line, column });
        assert_eq!(mention(line), expected);
    }

    #[test]
    fn only_the_copy_of_the_checkout_counts() {
        let parent = tempfile::tempdir().unwrap();
        let parent = parent.path().canonicalize().unwrap();
        for (folder, text) in [
            ("checkout/nix", "ours"),
            ("abc-source/nix", "ours"),
            ("def-source/nix", "theirs"),
        ] {
            std::fs::create_dir_all(parent.join(folder)).unwrap();
            std::fs::write(parent.join(folder).join("a.nix"), text).unwrap();
        }
        let mut places = Places::of(&Source::Checkout {
            directory: parent.join("checkout"),
            flake_dir: ".".to_owned(),
            lock_file: "flake.lock".to_owned(),
        });
        let mut find = |paths: &[&str]| {
            let lines = paths.iter().enumerate();
            let lines =
                lines.map(|(at, path)| format!("at {}/{path}:{}:3:\n", parent.display(), at + 1));
            let error: String = lines.collect();
            let found = places.find(&error);
            found.map(|found| (found.file, found.line))
        };
        let ours = Some(("nix/a.nix".to_owned(), 1));
        assert_eq!(
            find(&["abc-source/nix/a.nix", "def-source/nix/a.nix"]),
            ours
        );
        let last = Some(("nix/a.nix".to_owned(), 2));
        assert_eq!(
            find(&["abc-source/nix/a.nix", "abc-source/nix/a.nix"]),
            last
        );
        assert_eq!(find(&["checkout/nix/a.nix"]), ours);
        assert_eq!(find(&["def-source/nix/a.nix"]), None);
        assert_eq!(find(&["gone-source/nix/a.nix"]), None);
        assert_eq!(find(&["abc-source/nix/../../secret"]), None);
        assert_eq!(find(&["abc-source/nix"]), None);
        assert_eq!(find(&["abc-source/nix/gone.nix"]), None);
    }
}
