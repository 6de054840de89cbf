//! Rules of a pure machine that a test breaks on purpose: each must be noticed by the simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use telemetry::RecordTime;

/// One broken rule. What should be a function of the log is mixed with a number that differs at each reading.
#[derive(Debug, Clone, Default)]
pub enum Mutant {
    #[default]
    None,
    /// Chance instead of the trace's own randomness.
    RandomForHash(Arc<AtomicU64>),
    /// The host's clock instead of the records'.
    WallClock(Arc<AtomicU64>),
    /// The host's memory instead of the formula's.
    Rss(Arc<AtomicU64>),
}

fn next(number: &AtomicU64) -> u64 {
    number
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Mutant {
    pub(super) fn randomness(&self, randomness: u64) -> u64 {
        match self {
            Self::RandomForHash(number) => next(number) >> 8,
            _ => randomness,
        }
    }

    pub(super) fn record_time(&self, t: RecordTime) -> RecordTime {
        match self {
            Self::WallClock(number) => RecordTime {
                unix_ms: t.unix_ms + (next(number) >> 52) as i64,
            },
            _ => t,
        }
    }

    pub(super) fn memory(&self, bytes_max: u64) -> u64 {
        match self {
            Self::Rss(number) => bytes_max / 2 + next(number) % bytes_max.max(1),
            _ => bytes_max,
        }
    }
}

impl super::Shard {
    /// Breaks rules on purpose.
    #[must_use]
    pub fn mutated(mut self, mutant: Mutant, of_the_loop: bus::machine::mutant::Mutant) -> Self {
        self.mutant = mutant;
        self.ledger.mutate(of_the_loop);
        self
    }
}
