use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::process::CommandSpec;

/// The evaluator's home.
pub(super) const HOME: &str = "/home/evaluator";
/// Folder for what is ours inside.
pub(super) const OURS: &str = "/run/buildbot-nix";

/// Namespaces of its own except the network, which fetchers need; no way to outlive this process,
/// to type into its terminal, or to be more than an ordinary user.
const OPTIONS: [&str; 16] = [
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--hostname",
    "evaluator",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
];

/// All that a process sees of the machine. What is not named here is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The program bubblewrap.
    pub(super) bwrap: PathBuf,
    /// What can be read: where it is, and where it is seen.
    pub(super) read_only: Vec<(PathBuf, PathBuf)>,
    /// What fetchers keep for the next time; without it, they keep nothing.
    pub(super) cache: Option<PathBuf>,
    /// Where programs start, if that is not `/`.
    pub(super) directory: PathBuf,
    /// The whole environment.
    pub(super) environment: BTreeMap<OsString, OsString>,
}

impl View {
    /// `command`, seeing this and nothing else.
    pub(super) fn command(&self, command: CommandSpec) -> CommandSpec {
        let mut argv: Vec<OsString> = vec![self.bwrap.clone().into()];
        argv.extend(OPTIONS.map(OsString::from));
        argv.extend(["--dir".into(), HOME.into()]);
        if let Some(cache) = &self.cache {
            let inside = format!("{HOME}/.cache");
            argv.extend(["--bind".into(), cache.into(), inside.into()]);
        }
        for (source, inside) in &self.read_only {
            argv.extend(["--ro-bind".into(), source.into(), inside.into()]);
        }
        argv.extend(["--chdir".into(), self.directory.clone().into(), "--".into()]);
        argv.extend(command.argv);
        CommandSpec {
            argv,
            environment: self.environment.clone(),
            directory: None,
            is_sandboxed: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_all_that_is_seen() {
        let same = |path: &str| (PathBuf::from(path), PathBuf::from(path));
        let view = View {
            bwrap: "/usr/bin/bwrap".into(),
            read_only: vec![
                same("/nix/store"),
                ("/tmp/run/x".into(), "/run/buildbot-nix".into()),
                same("/srv/worker/a b"),
            ],
            cache: Some("/var/cache/fetch".into()),
            directory: "/srv/worker/a b".into(),
            environment: BTreeMap::from([("HOME".into(), HOME.into())]),
        };
        let command = view.command(CommandSpec::new("nix").args(["repl", "path:/srv/x"]));
        insta::assert_snapshot!(command, @"/usr/bin/bwrap --unshare-user --unshare-pid --unshare-ipc --unshare-uts --hostname evaluator --die-with-parent --new-session --cap-drop ALL --proc /proc --dev /dev --tmpfs /tmp --dir /home/evaluator --bind /var/cache/fetch /home/evaluator/.cache --ro-bind /nix/store /nix/store --ro-bind /tmp/run/x /run/buildbot-nix --ro-bind '/srv/worker/a b' '/srv/worker/a b' --chdir '/srv/worker/a b' -- nix repl path:/srv/x");
        assert_eq!(command.environment, view.environment);
        assert!(command.is_sandboxed);
    }
}
