//! The two clocks of a machine over the log (docs: "how time works"). Both come from records, never from the host.
//!
//! *Record time* t is when the log took a record; labels and windows mean it. *Shard time* τ is the sum of the steps between records,
//! each at most [`STEP_MAX_MS`]: timers run on it, so no jump of anybody's clock and no outage uses up a waiting time.

use std::fmt;
use std::time::Duration;

/// What one record moves shard time by at most, in ms.
pub const STEP_MAX_MS: u64 = 10_000;

/// When the log took a record: ms since the Unix epoch, by the log's clock. It goes back when that clock is set back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RecordTime {
    pub unix_ms: i64,
}

/// Shard time τ: ms since the first record of a partition. It never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShardTime {
    pub ms: u64,
}

impl ShardTime {
    #[must_use]
    pub fn from_s(s: u64) -> Self {
        Self { ms: s * 1_000 }
    }

    /// Time since `earlier`; zero if that lies later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.ms.saturating_sub(earlier.ms))
    }
}

impl fmt::Debug for RecordTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t={}ms", self.unix_ms)
    }
}

impl fmt::Debug for ShardTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "τ={}ms", self.ms)
    }
}

/// Shard time and the record time it was last moved by: all that a machine knows of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardClock {
    pub now: ShardTime,
    /// Record time of the last record; none before the first.
    pub last: Option<RecordTime>,
}

impl ShardClock {
    /// Moves τ by `clamp(t − last t, 0, 10 s)`.
    pub fn step(&mut self, t: RecordTime) {
        if let Some(last) = self.last {
            let step_ms = t
                .unix_ms
                .saturating_sub(last.unix_ms)
                .clamp(0, STEP_MAX_MS as i64);
            self.now.ms += step_ms as u64;
        }
        self.last = Some(t);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_time_never_goes_back_and_never_jumps() {
        let mut clock = ShardClock::default();
        for (unix_ms, now_ms) in [
            (5_000, 0),
            (5_100, 100),
            (1_000, 100),
            (1_050, 150),
            (i64::MAX, 10_150),
            (i64::MIN, 10_150),
        ] {
            clock.step(RecordTime { unix_ms });
            assert_eq!(clock.now.ms, now_ms);
        }
    }
}
