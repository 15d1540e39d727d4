use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The longest pause.
const MAX: Duration = Duration::from_secs(300);

/// How long to wait after `failures` in a row: twice as long each time, and up to a quarter more so
/// that not all come at once. The same for the same `who`.
pub(super) fn back_off(failures: u32, who: &impl Hash) -> Duration {
    let doubled = Duration::from_secs(1 << failures.saturating_sub(1).min(16));
    let pause = doubled.min(MAX);
    let mut hasher = DefaultHasher::new();
    (who, failures).hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 1000).unwrap_or_default();
    pause + pause / 4 * part / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut before = Duration::ZERO;
        for failures in 1..9 {
            let pause = back_off(failures, &"team");
            assert!(pause > before, "{failures}: {pause:?}");
            before = pause;
        }
        for failures in 9..100 {
            let pause = back_off(failures, &"team");
            assert!(
                pause >= MAX && pause <= MAX * 5 / 4,
                "{failures}: {pause:?}"
            );
        }
        assert_ne!(back_off(9, &"team"), back_off(9, &"other"));
    }
}
