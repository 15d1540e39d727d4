use std::path::{Path, PathBuf};

/// Where cgroups of version 2 are, below the root of the file system.
const MOUNT: &str = "sys/fs/cgroup";

/// The cgroup of this process and those above it, innermost first; none where the system has no
/// cgroups of version 2. `root` is `/`, except in tests.
pub(super) fn own(root: &Path) -> Vec<PathBuf> {
    let mount = root.join(MOUNT);
    let path = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let path = path.lines().find_map(|line| line.strip_prefix("0::/"));
    // The path of a process that was moved out of its namespace begins with `..`.
    let Some(path) = path.filter(|path| !path.split('/').any(|part| part == "..")) else {
        return Vec::new();
    };
    if !mount.join("cgroup.controllers").exists() {
        return Vec::new();
    }
    let innermost = mount.join(path);
    let all = innermost.ancestors();
    all.take_while(|directory| directory.starts_with(&mount))
        .map(Path::to_owned)
        .collect()
}

/// Memory in MiB that processes in `cgroup` can still get, `None` if nothing limits them there.
pub(super) fn headroom(cgroup: &Path) -> Option<u64> {
    let number = |file: &str| read(cgroup, file)?.trim().parse::<u64>().ok();
    // `max` is no number.
    let limits = [number("memory.max"), number("memory.high")];
    let limit = limits.into_iter().flatten().min()?;
    let statistics = read(cgroup, "memory.stat").unwrap_or_default();
    let reclaimable = ["inactive_file", "active_file", "slab_reclaimable"];
    let reclaimable = reclaimable.iter().filter_map(|name| {
        let mut lines = statistics.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        value.trim().parse::<u64>().ok()
    });
    let used = number("memory.current")?.saturating_sub(reclaimable.sum());
    Some(limit.saturating_sub(used) >> 20)
}

fn read(cgroup: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(cgroup.join(file)).ok()
}
