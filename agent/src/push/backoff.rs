//! How long to wait before a request is tried again. Pure.

use std::time::Duration;

const FIRST_MS: u64 = 1_000;
const LONGEST_MS: u64 = 30_000;
/// Longest wait that a collector may ask for.
const ASKED_MAX: Duration = Duration::from_secs(5 * 60);
/// Waits differ by up to this share, so that agents of many hosts do not come back at once.
const JITTER_PERCENT: u64 = 20;

/// Waits of 1, 2, 4 … 30 s, each shorter or longer by up to a fifth.
#[derive(Debug)]
pub(super) struct Backoff {
    n_failed: u32,
    noise: u64,
}

impl Backoff {
    /// `seed` differs between agents.
    pub(super) fn new(seed: i64) -> Self {
        Self {
            n_failed: 0,
            noise: seed.unsigned_abs() | 1,
        }
    }

    pub(super) fn is_first(&self) -> bool {
        self.n_failed == 0
    }

    /// Whether there was a failure to recover from.
    pub(super) fn reset(&mut self) -> bool {
        std::mem::take(&mut self.n_failed) > 0
    }

    /// The next wait; at least what the collector asked for.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = FIRST_MS.saturating_mul(1 << self.n_failed.min(16));
        self.n_failed = self.n_failed.saturating_add(1);
        let wait_ms = self.jitter(doubled.min(LONGEST_MS)).min(LONGEST_MS);
        Duration::from_millis(wait_ms).max(asked.unwrap_or_default().min(ASKED_MAX))
    }

    fn jitter(&mut self, wait_ms: u64) -> u64 {
        // xorshift64
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let percent = 100 - JITTER_PERCENT + self.noise % (2 * JITTER_PERCENT + 1);
        wait_ms * percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_thirty_seconds() {
        let mut backoff = Backoff::new(1_700_000_000_123);
        let waits: Vec<u64> = (0..40)
            .map(|_| backoff.wait(None).as_millis() as u64)
            .collect();
        for (n, wait_ms) in waits.iter().enumerate() {
            let middle = 30_000.min(1_000 << n.min(20));
            assert!(*wait_ms >= middle * 8 / 10 && *wait_ms <= (middle * 12 / 10).min(30_000));
        }
        assert!(backoff.reset());
        assert!(!backoff.reset());
        assert!(backoff.wait(None).as_millis() <= 1_200);
    }

    #[test]
    fn a_collector_that_names_a_time_is_heard_within_reason() {
        let mut backoff = Backoff::new(0);
        let asked = |s| Some(Duration::from_secs(s));
        assert_eq!(backoff.wait(asked(45)), Duration::from_secs(45));
        assert_eq!(backoff.wait(asked(86_400)), ASKED_MAX);
        assert!(backoff.wait(asked(0)).as_millis() >= 3_200);
    }

    #[test]
    fn agents_do_not_come_back_at_once() {
        let waits: std::collections::BTreeSet<Duration> = (0..50)
            .map(|seed| Backoff::new(seed * 977).wait(None))
            .collect();
        assert!(waits.len() > 10, "{}", waits.len());
    }
}
