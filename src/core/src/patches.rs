//! The patches in `patches/`, for those who installed Buildbot with pip. Pure data: the command
//! applies them.

/// A Python package, and our patches for one version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchedPackage {
    /// Its name, also that of its folder.
    pub name: &'static str,
    /// The version that the patches are for.
    pub version: &'static str,
    /// File names and texts, in the order in which they apply.
    pub patches: &'static [(&'static str, &'static str)],
}

macro_rules! patches {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../patches/", $folder, $name, ".patch")))),*]
    };
}

/// Every package that we have patches for.
pub const PACKAGES: &[PatchedPackage] = &[
    PatchedPackage {
        name: "buildbot",
        version: "4.3.0",
        patches: patches!["":
            "0001-data-Store-build-properties-in-one-transaction",
            "0002-pathmatch-Compile-the-patterns-once",
            "0003-build-Wait-until-a-step-s-text-is-the-build-s-state-",
            "0004-data-Don-t-read-resources-again-for-events-that-nobo",
            "0005-distributor-Sort-builders-with-one-query",
            "0006-data-Read-buildsets-and-their-requests-once",
            "0007-db-Keep-chunks-of-logs-below-their-maximum-size",
            "0008-db-Append-to-logs-in-one-transaction",
            "0009-db-Build-frequent-statements-once",
            "0010-db-Look-up-builders-tags-and-projects-without-readin",
            "0011-canceller-Don-t-read-requests-of-builders-without-a-",
            "0012-data-Don-t-add-zero-to-the-time-that-a-build-waited-",
            "0013-schedulers-Don-t-list-all-builders-to-add-a-buildset",
            "0014-properties-Don-t-render-values-in-which-there-is-not",
        ],
    },
    PatchedPackage {
        name: "twisted",
        version: "26.10.0",
        patches: patches!["twisted/":
            "0001-epollreactor-Forget-descriptors-that-were-closed-beh",
        ],
    },
];

impl PatchedPackage {
    /// Files below the package's folder that the patches change, without tests.
    pub fn files(&self) -> Vec<&'static str> {
        let mut files: Vec<&str> = self
            .patches
            .iter()
            .flat_map(|(_, text)| text.lines())
            .filter_map(|line| line.strip_prefix("diff --git a/"))
            .filter_map(|paths| paths.split(' ').next())
            .filter_map(|path| path.split_once('/'))
            .filter_map(|(_, inside)| inside.strip_prefix(self.name)?.strip_prefix('/'))
            .filter(|path| !path.starts_with("test/") && !path.contains("/test/"))
            .filter(|path| !path.starts_with("newsfragments/"))
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patches_are_here() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../patches");
        for (package, below) in PACKAGES.iter().zip(["", "twisted"]) {
            let names = std::fs::read_dir(format!("{folder}/{below}")).unwrap();
            let mut names: Vec<String> = names
                .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
                .filter_map(|name| name.strip_suffix(".patch").map(str::to_owned))
                .collect();
            names.sort();
            let embedded: Vec<&str> = package.patches.iter().map(|(name, _)| *name).collect();
            assert_eq!(embedded, names);
        }
    }

    #[test]
    fn files_are_those_of_the_package() {
        let files = PACKAGES[0].files();
        assert!(files.contains(&"db/builds.py"));
        assert!(!files.iter().any(|file| file.starts_with("test/")));
        assert_eq!(PACKAGES[1].files(), ["internet/epollreactor.py"]);
    }
}
