use std::path::Path;

use super::cgroup;

/// What this process could use of the machine at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    /// Processors, of those that it may use.
    pub(super) cores: usize,
    /// Memory that is free or can be freed, MiB; `None` where the system does not tell.
    pub(super) available: Option<u64>,
}

impl Machine {
    /// The machine whose `/` is `root`. The number of cores comes from Rust's standard library,
    /// which knows affinity and quotas of cgroups.
    pub(super) fn read(root: &Path, cores: usize) -> Self {
        let free = free(root).map(|free| free + freeable_by_zfs(root));
        let cgroups = cgroup::own(root);
        let headrooms = cgroups.iter().filter_map(|it| cgroup::headroom(it));
        Self {
            cores,
            available: free.into_iter().chain(headrooms).min(),
        }
    }
}

fn free(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = value.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes >> 10)
}

/// ZFS has a cache of its own, which Linux counts as used, and gives back what is above a
/// minimum.
fn freeable_by_zfs(root: &Path) -> u64 {
    let file = root.join("proc/spl/kstat/zfs/arcstats");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let value = |name: &str| {
        let mut lines = text.lines().map(str::split_ascii_whitespace);
        let mut fields = lines.find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
        fields.nth(1)?.parse::<u64>().ok()
    };
    let sizes = value("size").zip(value("c_min"));
    sizes.map_or(0, |(size, least)| size.saturating_sub(least) >> 20)
}
