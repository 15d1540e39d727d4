use serde::Serialize;

use super::table::{Read, Table};
use super::value;

/// How often, and when, a build is tried again that failed by the fault of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retries {
    /// Attempts after the first.
    pub count: u32,
    /// Seconds before the first of them. Every other waits four times as long as the one before.
    pub delay: u64,
}

/// The longest pause, seconds: an administrator who has repaired something does not wait longer.
const PAUSE_MAX: u64 = 3600;

impl Retries {
    /// Seconds until the next attempt after so many; none if there is none.
    pub fn pause(&self, attempts: u32) -> Option<u64> {
        let before = attempts
            .checked_sub(1)
            .filter(|before| *before < self.count)?;
        let factor = 4_u64.saturating_pow(before);
        Some(
            self.delay
                .saturating_mul(factor)
                .min(PAUSE_MAX.max(self.delay)),
        )
    }
}

pub(super) fn retries(table: &Table) -> Read<Retries> {
    let count = table.optional("build_retries", value::count(0, 20, ""), 3);
    let delay = table.optional("build_retry_delay", value::seconds, 15);
    Ok(Retries {
        count: count?,
        delay: delay?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses =
            |retries: Retries| -> Vec<Option<u64>> { (0..7).map(|n| retries.pause(n)).collect() };
        let usual = Retries {
            count: 5,
            delay: 15,
        };
        let expected = [
            None,
            Some(15),
            Some(60),
            Some(240),
            Some(960),
            Some(3600),
            None,
        ];
        assert_eq!(pauses(usual), expected);
        assert_eq!(pauses(Retries { count: 0, delay: 1 }), [None; 7]);
        assert_eq!(
            Retries {
                count: 9,
                delay: 7200
            }
            .pause(9),
            Some(7200)
        );
    }
}
