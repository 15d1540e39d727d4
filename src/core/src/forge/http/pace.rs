use std::time::Duration;

/// How long and how often the client tries.
#[derive(Debug, Clone, Copy)]
pub(in crate::forge) struct Pace {
    /// Requests for one call, the first included.
    pub(in crate::forge) attempts: u32,
    /// Before the second request; doubled each time.
    pub(in crate::forge) first_pause: Duration,
    /// Never longer between two.
    pub(in crate::forge) longest_pause: Duration,
    /// For how long a call waits until the forge takes requests again, before it gives up.
    pub(in crate::forge) patience: Duration,
    /// For a connection.
    pub(in crate::forge) connect: Duration,
    /// For one request and its whole answer.
    pub(in crate::forge) request: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
            patience: Duration::from_secs(60),
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
        }
    }
}

impl Pace {
    /// The pause after request number `attempt`, the first being 1: at random up to a limit that
    /// doubles, so that many clients do not come back all at once.
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        let doubled = self.first_pause * 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
        let most = doubled.min(self.longest_pause);
        most.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_differ() {
        let pace = Pace::default();
        let pauses: Vec<Duration> = (0..50).map(|_| pace.pause(3)).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| (1000..=2000).contains(&pause.as_millis()))
        );
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        assert!(pace.pause(1000) <= pace.longest_pause);
    }
}
