//! Requests on which we failed: a sender may try the same bytes once more, not again and again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a request is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Most requests that are remembered; the oldest are forgotten first.
const FAULTS_MAX: usize = 256;

/// Hashes of bodies as sent, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<(u128, Instant)>);

impl Faults {
    /// Whether this is not the first fault on these bytes. From now on it is not.
    pub(crate) fn is_repeated(&mut self, body_hash: u128, now: Instant) -> bool {
        let Self(faults) = self;
        while faults
            .front()
            .is_some_and(|(_, at)| now.saturating_duration_since(*at) > REMEMBERED)
        {
            faults.pop_front();
        }
        let known = faults.iter().any(|(hash, _)| *hash == body_hash);
        if faults.len() >= FAULTS_MAX {
            faults.pop_front();
        }
        faults.push_back((body_hash, now));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::Clock;

    #[test]
    fn the_same_bytes_fail_again_only_within_ten_minutes() {
        let (mut faults, start) = (Faults::default(), Clock::host().monotonic());
        let mut at = |hash, s| faults.is_repeated(hash, start + Duration::from_secs(s));
        assert!(!at(1, 0));
        assert!(!at(2, 1));
        assert!(at(1, 600));
        assert!(!at(2, 602));
        assert!(at(1, 1100));
    }

    #[test]
    fn no_more_than_the_bound_are_remembered() {
        let (mut faults, now) = (Faults::default(), Clock::host().monotonic());
        for hash in 0..1000 {
            assert!(!faults.is_repeated(hash, now));
        }
        assert_eq!(faults.0.len(), FAULTS_MAX);
    }
}
