use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// The forge's clock: ours, and by how much it is known to be wrong.
///
/// Signed requests hold times, which the forge compares with its own.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Seconds to add to our time.
    correction: AtomicI64,
    /// Seconds by which the machine's clock is wrong in a test.
    fault: i64,
}

impl Clock {
    /// A clock that is wrong by `seconds`.
    #[cfg(test)]
    pub(super) fn wrong_by(seconds: i64) -> Self {
        Self {
            fault: seconds,
            ..Self::default()
        }
    }

    /// Seconds since 1970, on the forge as far as known.
    pub(super) fn now(&self) -> i64 {
        self.machine() + self.correction.load(Ordering::Relaxed)
    }

    /// Notes that it was `forge` on the forge just now. Returns by how many seconds our clock is
    /// ahead of it.
    pub(super) fn adjust(&self, forge: Timestamp) -> i64 {
        let ahead = self.machine() - forge.as_second();
        self.correction.store(-ahead, Ordering::Relaxed);
        ahead
    }

    fn machine(&self) -> i64 {
        Timestamp::now().as_second() + self.fault
    }
}
