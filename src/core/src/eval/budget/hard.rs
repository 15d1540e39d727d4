use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::cgroup;
use crate::process::CommandSpec;

/// How the names of our cgroups begin; the number of the agent's process follows.
const PREFIX: &str = "buildbot-nix-";
/// Moves itself into the cgroup, where its children will be too, and becomes the evaluator. If
/// that does not work any more, its memory is still watched.
const ENTER: &str = "{ echo 0 >\"$0\"; } 2>/dev/null; exec \"$@\"";
/// How often a cgroup whose processes were killed is tried to be removed, and the pause.
const REMOVALS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// A place where cgroups for evaluators can be made: one that was delegated to us.
#[derive(Debug)]
pub(in super::super) struct Groups {
    parent: PathBuf,
    made: AtomicU64,
}

/// A cgroup for one evaluator and all that it starts. The kernel kills them when they use more
/// memory than they may. It is removed, with what is left in it, when this is dropped.
#[derive(Debug)]
pub(in super::super) struct Group {
    directory: PathBuf,
}

impl Groups {
    /// The place for the evaluators of this process, if it has one: the cgroup above its own, as
    /// systemd's `Delegate=` and `DelegateSubgroup=` make them. Its own has processes, and the
    /// kernel limits no cgroups below one that has.
    pub(in super::super) fn find() -> Option<Self> {
        Self::below(Path::new("/"), is_delegated)
    }

    /// The same where `root` is `/`, and `is_ours` tells whether a cgroup is ours to change.
    fn below(root: &Path, is_ours: impl Fn(&Path) -> bool) -> Option<Self> {
        let parent = cgroup::own(root).into_iter().nth(1)?;
        let has_memory = |file: &str| {
            let controllers = std::fs::read_to_string(parent.join(file)).unwrap_or_default();
            controllers
                .split_ascii_whitespace()
                .any(|it| it == "memory")
        };
        if !has_memory("cgroup.controllers") || !is_ours(&parent) {
            return None;
        }
        if !has_memory("cgroup.subtree_control") {
            std::fs::write(parent.join("cgroup.subtree_control"), "+memory").ok()?;
        }
        let groups = Self {
            parent,
            made: AtomicU64::new(0),
        };
        groups.remove_those_of_the_dead(root);
        // Whether it works shows when it is tried.
        groups.make(64, true).map(drop)?;
        Some(groups)
    }

    /// A new cgroup in which processes get `memory` MiB together. `is_one` tells whether they end
    /// together too.
    pub(in super::super) fn make(&self, memory: u64, is_one: bool) -> Option<Group> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let directory = self.parent.join(name);
        std::fs::create_dir(&directory).ok()?;
        let group = Group { directory };
        group.write("memory.max", &(memory << 20).to_string())?;
        // There is no such file where the kernel knows no swap.
        let _ = group.write("memory.swap.max", "0");
        group.write("memory.oom.group", if is_one { "1" } else { "0" })?;
        Some(group)
    }

    /// Removes what agents that were killed have left behind.
    fn remove_those_of_the_dead(&self, root: &Path) {
        let entries = std::fs::read_dir(&self.parent).into_iter().flatten();
        for directory in entries.flatten().map(|entry| entry.path()) {
            let name = directory.file_name().unwrap_or_default().to_string_lossy();
            let agent = name.strip_prefix(PREFIX).and_then(|it| it.split_once('-'));
            if agent.is_some_and(|(agent, _)| !root.join("proc").join(agent).exists()) {
                drop(Group { directory });
            }
        }
    }
}

impl Group {
    /// `command`, run in this cgroup.
    pub(in super::super) fn command(&self, mut command: CommandSpec) -> CommandSpec {
        let mut argv: Vec<OsString> = ["/bin/sh", "-c", ENTER].map(OsString::from).to_vec();
        argv.push(self.directory.join("cgroup.procs").into());
        argv.append(&mut command.argv);
        CommandSpec { argv, ..command }
    }

    /// Whether the kernel has killed a process in it because there was no memory left.
    pub(in super::super) fn was_full(&self) -> bool {
        let events = self.directory.join("memory.events");
        let events = std::fs::read_to_string(events).unwrap_or_default();
        let mut kills = events
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "));
        kills.any(|number| number.trim() != "0")
    }

    fn write(&self, file: &str, value: &str) -> Option<()> {
        std::fs::write(self.directory.join(file), value).ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..REMOVALS {
            // Only when the last process is gone. What cannot be removed the next agent removes.
            match std::fs::remove_dir(&self.directory) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    let _ = self.write("cgroup.kill", "1");
                    thread::sleep(PAUSE);
                }
                _ => return,
            }
        }
    }
}

/// Whether `cgroup` is ours to divide. Who is not root can change nothing else; root could change
/// everything, and has to be told.
fn is_delegated(cgroup: &Path) -> bool {
    use rustix::fs::{Access, access, getxattr};
    if !rustix::process::geteuid().is_root() {
        return access(cgroup.join("cgroup.procs"), Access::WRITE_OK).is_ok();
    }
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0; 8];
        getxattr(cgroup, *name, &mut value).is_ok_and(|length| value.get(..length) == Some(b"1"))
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::process::{Child, Stream};

    const WORKER: &str = "sys/fs/cgroup/system.slice/ci.service/worker";

    /// A system with a delegated cgroup, as far as plain folders can be one.
    fn system(subtree: &str) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", "0::/system.slice/ci.service/worker\n");
        write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
        write(&format!("{WORKER}/cgroup.procs"), "");
        write(&format!("{WORKER}/../cgroup.controllers"), "cpu memory\n");
        write(&format!("{WORKER}/../cgroup.subtree_control"), subtree);
        root
    }

    fn read(path: PathBuf) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn evaluators_get_a_cgroup_beside_the_worker() {
        let root = system("");
        let groups = Groups::below(root.path(), |_| true).unwrap();
        let parent = root.path().join("sys/fs/cgroup/system.slice/ci.service");
        assert_eq!(groups.parent, parent);
        assert_eq!(read(parent.join("cgroup.subtree_control")), "+memory");
        let group = groups.make(1536, true).unwrap();
        assert_eq!(group.directory.parent().unwrap(), parent);
        assert_eq!(read(group.directory.join("memory.max")), "1610612736");
        assert_eq!(read(group.directory.join("memory.swap.max")), "0");
        assert_eq!(read(group.directory.join("memory.oom.group")), "1");

        let spec = CommandSpec::new("sh").args(["-c", "exit $1", "sh", "7"]);
        let spec = group.command(spec);
        let mut child = Child::spawn(&spec, [Stream::Null; 3]).unwrap();
        let status = child.wait(Duration::from_secs(20)).unwrap();
        assert_eq!(status.code(), Some(7));
        assert_eq!(read(group.directory.join("cgroup.procs")), "0\n");
    }

    #[test]
    fn the_kernel_tells_whom_it_killed() {
        let root = system("memory");
        let groups = Groups::below(root.path(), |_| true).unwrap();
        let group = groups.make(64, false).unwrap();
        for (events, expected) in [
            (None, false),
            (Some("low 0\noom 0\noom_kill 0\noom_group_kill 0\n"), false),
            (Some("low 0\noom 3\noom_kill 1\noom_group_kill 1\n"), true),
        ] {
            if let Some(events) = events {
                group.write("memory.events", events).unwrap();
            }
            assert_eq!(group.was_full(), expected, "{events:?}");
        }
    }

    #[test]
    fn cgroups_of_dead_agents_are_removed() {
        let root = system("memory");
        let parent = root.path().join(WORKER).join("..");
        let own = std::process::id();
        std::fs::create_dir(root.path().join("proc").join(own.to_string())).unwrap();
        let names = ["buildbot-nix-1-0", "buildbot-nix-other", "worker2"];
        for name in names
            .map(str::to_owned)
            .into_iter()
            .chain([format!("buildbot-nix-{own}-7")])
        {
            std::fs::create_dir(parent.join(name)).unwrap();
        }
        Groups::below(root.path(), |_| true).unwrap();
        let is_there = |name: &str| parent.join(name).exists();
        assert!(!is_there("buildbot-nix-1-0"));
        assert!(is_there("buildbot-nix-other") && is_there("worker2"));
        assert!(is_there(&format!("buildbot-nix-{own}-7")));
    }

    #[test]
    fn what_is_not_delegated_is_left_alone() {
        let root = system("");
        assert!(Groups::below(root.path(), |_| false).is_none());
        let control = root.path().join(WORKER).join("../cgroup.subtree_control");
        assert_eq!(read(control), "");
        // Nobody delegates anything where there are no cgroups, or the worker is alone in its own.
        let empty = tempfile::tempdir().unwrap();
        assert!(Groups::below(empty.path(), |_| true).is_none());
        std::fs::write(root.path().join("proc/self/cgroup"), "0::/\n").unwrap();
        assert!(Groups::below(root.path(), |_| true).is_none());
        assert!(!is_delegated(&root.path().join("sys")));
    }
}
