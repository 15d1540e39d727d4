//! What of this machine an evaluator needs to see.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::super::Source;

/// Programs, libraries, names of the network and certificates, on NixOS and elsewhere. Folders
/// that may hold private keys are not among them.
const SYSTEM: [&str; 25] = [
    "/nix/store",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/run/current-system/sw",
    "/etc/alternatives",
    "/etc/static",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
];
/// What is run, by us and by Nix's fetchers.
const PROGRAMS: [&str; 5] = ["nix", "nix-eval-jobs", "git", "ssh", "hg"];
/// Where programs are besides.
const PATH: [&str; 3] = ["/run/current-system/sw/bin", "/usr/bin", "/bin"];
/// What belongs to a program in the `bin` beside it. Not the whole of what is above `bin`: that
/// can be a home.
const BESIDE: [&str; 3] = ["lib", "lib64", "libexec"];
/// Files of a folder with Nix's settings. What else is there can be secret, as `netrc` is.
const SETTINGS: [&str; 2] = ["nix.conf", "registry.json"];
/// Files of settings that include each other.
const INCLUDES_MAX: usize = 16;

/// Paths that an evaluator sees: where they really are, and where it finds them.
#[derive(Debug, Default)]
pub(super) struct Seen(pub(super) Vec<(PathBuf, PathBuf)>);

impl Seen {
    /// Lets `path` be seen, if it is there.
    pub(super) fn add(&mut self, path: &Path) {
        if let Ok(real) = path.canonicalize() {
            let is_seen = self.0.iter().any(|(_, inside)| path.starts_with(inside));
            if !is_seen {
                self.0.push((real, path.to_owned()));
            }
        }
    }

    /// What every evaluator sees of every machine.
    pub(super) fn add_system(&mut self) {
        for path in SYSTEM {
            self.add(Path::new(path));
        }
    }

    /// The programs that are on `path`, wherever they are. Returns the PATH to find them.
    pub(super) fn add_programs(&mut self, path: &OsString) -> OsString {
        let mut folders: Vec<PathBuf> = Vec::new();
        for program in PROGRAMS {
            if let Some(folder) = folder_of(program, path) {
                self.add(&folder);
                if let Some(prefix) = folder.parent().filter(|_| folder.ends_with("bin")) {
                    for name in BESIDE {
                        self.add(&prefix.join(name));
                    }
                    self.add_settings(&prefix.join("etc/nix"));
                }
                folders.push(folder);
            }
        }
        folders.extend(PATH.map(PathBuf::from));
        let mut unique: Vec<PathBuf> = Vec::new();
        for folder in folders {
            if !unique.contains(&folder) {
                unique.push(folder);
            }
        }
        // Only a folder whose name has a colon is no part of a PATH, and none was found in one.
        std::env::join_paths(unique).unwrap_or_default()
    }

    /// Nix's settings in `folder`. Files that they include only if they are there stay outside,
    /// because people keep tokens in them.
    pub(super) fn add_settings(&mut self, folder: &Path) {
        let mut files: Vec<PathBuf> = SETTINGS.map(|name| folder.join(name)).to_vec();
        let mut next = 0;
        while let Some(file) = files.get(next).cloned() {
            next += 1;
            self.add(&file);
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let parent = file.parent().unwrap_or(folder);
            let included = text
                .lines()
                .filter_map(|line| line.strip_prefix("include "));
            let room = INCLUDES_MAX.saturating_sub(files.len());
            files.extend(included.take(room).map(|path| parent.join(path.trim())));
        }
    }

    /// The flake at `source`. Returns where programs are to start.
    pub(super) fn add_source(&mut self, source: &Source) -> PathBuf {
        let directory = match source {
            Source::Checkout { directory, .. } => directory.canonicalize().ok(),
            Source::Reference(reference) => local(reference),
        };
        let Some(directory) = directory else {
            return PathBuf::from("/");
        };
        let top = directory
            .ancestors()
            .find(|folder| folder.join(".git").exists())
            .unwrap_or(&directory);
        self.add(top);
        self.add_git(&top.join(".git"));
        directory
    }

    /// What belongs to a checkout and is elsewhere: the repository of a worktree, and those that
    /// it borrows objects from. Git alone writes these files; none can be part of a commit.
    fn add_git(&mut self, git: &Path) {
        let line = |file: &Path| {
            let text = std::fs::read_to_string(file).ok()?;
            text.lines().next().map(str::to_owned)
        };
        let mut repository = git.to_owned();
        if let Some(path) = line(git).and_then(|it| it.strip_prefix("gitdir: ").map(PathBuf::from))
        {
            let worktree = git.parent().unwrap_or(git).join(path);
            self.add(&worktree);
            repository = line(&worktree.join("commondir"))
                .map_or_else(|| worktree.clone(), |path| worktree.join(path));
            if let Ok(repository) = repository.canonicalize() {
                self.add(&repository);
            }
        }
        let objects = repository.join("objects");
        let others = std::fs::read_to_string(objects.join("info/alternates")).unwrap_or_default();
        for path in others.lines() {
            if let Ok(path) = objects.join(path).canonicalize() {
                self.add(&path);
            }
        }
    }
}

/// Where the `nix` of `environment` has the settings of this machine.
pub(super) fn settings_directory(environment: &BTreeMap<OsString, OsString>) -> PathBuf {
    let variable = |name: &str| environment.get(&OsString::from(name));
    if let Some(directory) = variable("NIX_CONF_DIR") {
        return directory.into();
    }
    let beside = || {
        let folder = folder_of("nix", variable("PATH")?)?;
        let directory = folder.parent()?.join("etc/nix");
        directory.join("nix.conf").exists().then_some(directory)
    };
    beside().unwrap_or_else(|| "/etc/nix".into())
}

/// The folder in which `program` can be called by its name, without links that lead there.
fn folder_of(program: &str, path: &OsString) -> Option<PathBuf> {
    let found = find(program, path)?;
    let real = found.canonicalize().ok()?;
    let real = real.parent()?;
    if real.join(program).exists() {
        Some(real.to_owned())
    } else {
        found.parent().map(Path::to_owned)
    }
}

/// The program that is called `name` on `path`.
pub(super) fn find(name: &str, path: &OsString) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_absolute() && file.is_file())
}

/// The folder that a flake reference names, if it is one of this machine.
fn local(reference: &str) -> Option<PathBuf> {
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    let path = ["git+file://", "git+file:", "path://", "path:", "file://"]
        .iter()
        .find_map(|scheme| path.strip_prefix(scheme))
        .unwrap_or(path);
    let path = Path::new(path).canonicalize().ok()?;
    path.is_dir().then_some(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn inside(seen: &Seen, base: &Path) -> Vec<String> {
        let names = seen.0.iter().map(|(_, inside)| {
            let name = inside.strip_prefix(base).unwrap_or(inside);
            name.display().to_string()
        });
        names.collect()
    }

    fn base() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        (directory, base)
    }

    #[test]
    fn a_program_is_seen_with_what_is_beside_it_but_no_more() {
        let (_keep, base) = base();
        for folder in [
            "home/bin",
            "home/lib",
            "home/secret",
            "home/etc/nix",
            "links",
        ] {
            fs::create_dir_all(base.join(folder)).unwrap();
        }
        for file in [
            "home/bin/nix",
            "home/etc/nix/nix.conf",
            "home/etc/nix/netrc",
        ] {
            fs::write(base.join(file), "").unwrap();
        }
        symlink(base.join("home/bin/nix"), base.join("links/nix")).unwrap();
        let mut seen = Seen::default();
        let path = seen.add_programs(&base.join("links").into_os_string());
        assert_eq!(
            inside(&seen, &base),
            ["home/bin", "home/lib", "home/etc/nix/nix.conf"]
        );
        let first = std::env::split_paths(&path).next().unwrap();
        assert_eq!(first, base.join("home/bin"));
    }

    #[test]
    fn settings_that_must_be_there_are_seen() {
        let (_keep, base) = base();
        let text = "cores = 1\ninclude more.conf\n!include tokens.conf\n";
        fs::write(base.join("nix.conf"), text).unwrap();
        fs::write(base.join("more.conf"), "include nix.conf\n").unwrap();
        fs::write(base.join("tokens.conf"), "").unwrap();
        let mut seen = Seen::default();
        seen.add_settings(&base);
        assert_eq!(inside(&seen, &base), ["nix.conf", "more.conf"]);
    }

    #[test]
    fn a_worktree_is_seen_with_its_repository() {
        let (_keep, base) = base();
        for folder in [
            "clone/worktrees/a",
            "clone/objects/info",
            "other/objects",
            "a/ci",
        ] {
            fs::create_dir_all(base.join(folder)).unwrap();
        }
        let git = format!("gitdir: {}\n", base.join("clone/worktrees/a").display());
        fs::write(base.join("a/.git"), git).unwrap();
        fs::write(base.join("clone/worktrees/a/commondir"), "../..\n").unwrap();
        let alternates = base.join("clone/objects/info/alternates");
        fs::write(alternates, "../../other/objects\n").unwrap();
        let mut seen = Seen::default();
        let directory = seen.add_source(&Source::Checkout {
            directory: base.join("a"),
            flake_dir: "ci".to_owned(),
            lock_file: "flake.lock".to_owned(),
        });
        assert_eq!(directory, base.join("a"));
        assert_eq!(
            inside(&seen, &base),
            ["a", "clone/worktrees/a", "clone", "other/objects"]
        );
    }

    #[test]
    fn a_reference_to_a_folder_is_seen() {
        let (_keep, base) = base();
        let path = base.display();
        for reference in [
            format!("{path}"),
            format!("path:{path}?dir=x"),
            format!("git+file://{path}#a"),
        ] {
            assert_eq!(local(&reference).as_ref(), Some(&base), "{reference}");
        }
        assert_eq!(local("github:NixOS/patchelf"), None);
    }
}
