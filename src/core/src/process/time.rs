use std::time::Duration;

/// The processor time that process `id` has spent in its own code so far, and not in the system's,
/// where the system tells. It is counted in hundredths of a second.
pub fn own_time(id: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    ticks(&stat).map(|ticks| {
        Duration::from_secs(ticks)
            / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
    })
}

/// The field `utime` of `proc_pid_stat(5)`. The program's name, which can contain anything, is in
/// the second, in brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(11)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_field() {
        let stat = "7 (a) 1 2) S 1 7 7 0 -1 4194304 100 0 0 0 1234 56 0 0 20 0 1 0 9 8 7";
        assert_eq!(ticks(stat), Some(1234));
        assert_eq!(ticks("7 (a"), None);
    }
}
