/// Memory that process `id` occupies, in MiB, where the system tells.
pub fn memory_now(id: u32) -> Option<u64> {
    read(id, "VmRSS:")
}

/// The most memory that process `id` has occupied so far, in MiB, where the system tells.
pub fn memory_at_most(id: u32) -> Option<u64> {
    read(id, "VmHWM:")
}

fn read(id: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = value.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes >> 10)
}
