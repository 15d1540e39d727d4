use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Files of a pack; git looks for packs by the last one.
const ENDINGS: [&str; 3] = ["pack", "rev", "idx"];

/// Gives the folder `to` the packs of the folder `from`, and no others. Packs never change, so
/// a hard link is as good as a copy and costs nothing.
pub(super) fn share(from: &Path, to: &Path) -> io::Result<()> {
    let (wanted, present) = (names(from)?, names(to)?);
    for ending in ENDINGS {
        for name in &wanted {
            if Path::new(name).extension().is_some_and(|e| e == ending) && !present.contains(name) {
                place(&from.join(name), &to.join(name))?;
            }
        }
    }
    for ending in ENDINGS.iter().rev() {
        for name in present.difference(&wanted) {
            if Path::new(name).extension().is_some_and(|e| e == *ending) {
                std::fs::remove_file(to.join(name))?;
            }
        }
    }
    Ok(())
}

fn names(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    let is_ours = |name: &OsString| {
        let extension = Path::new(name).extension();
        extension.is_some_and(|e| ENDINGS.iter().any(|ending| e == *ending))
    };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        if is_ours(&name) {
            names.insert(name);
        }
    }
    Ok(names)
}

fn place(from: &Path, to: &Path) -> io::Result<()> {
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    // Another file system, or one without links. A copy that was cut short must not be there
    // under its name.
    let partial = to.with_extension("partial");
    std::fs::copy(from, &partial)?;
    std::fs::rename(&partial, to)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn packs_are_shared_and_old_ones_go() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["a.pack", "a.idx", "a.rev", "tmp_pack_x", "a.keep"] {
            std::fs::write(from.path().join(name), name).unwrap();
        }
        for name in ["old.pack", "old.idx"] {
            std::fs::write(to.path().join(name), name).unwrap();
        }
        share(from.path(), to.path()).unwrap();
        let found: Vec<OsString> = names(to.path()).unwrap().into_iter().collect();
        assert_eq!(found, ["a.idx", "a.pack", "a.rev"]);
        let inode = |folder: &Path| std::fs::metadata(folder.join("a.pack")).unwrap().ino();
        assert_eq!(inode(from.path()), inode(to.path()));
    }
}
