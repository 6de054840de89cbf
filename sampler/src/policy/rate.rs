//! Token buckets in shard time. Which traces pass is decided by their randomness, not by who came first, so that 1/p is unbiased.

use telemetry::{ShardTime, Tenant};

use super::threshold;

/// What a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Traces,
    Spans,
    Bytes,
}

/// Tokens a second of τ, at most `burst` of them saved up: of one shard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub unit: Unit,
    pub per_second: f64,
    pub burst: f64,
}

/// Whose bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketKey {
    pub revision: u64,
    pub tenant: Tenant,
    /// Place of the rule in its list.
    pub rule: u32,
    /// The rule's ceiling instead of its sampler.
    pub ceiling: bool,
}

/// Tokens as of a time. A bucket that is not there is full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Below 0 after a trace that cost more than the burst.
    pub tokens: f64,
    pub at: ShardTime,
}

/// A trace that wants to pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// R ≥ `threshold`.
    pub(super) randomness: u64,
    /// T so far.
    pub(super) threshold: u64,
    pub(super) cost: f64,
}

impl Bucket {
    #[must_use]
    pub fn full(rate: &Rate, at: ShardTime) -> Self {
        Self {
            tokens: rate.burst,
            at,
        }
    }

    fn refill(&mut self, rate: &Rate, now: ShardTime) {
        self.tokens = self.tokens_at(rate, now);
        self.at = now;
    }

    fn tokens_at(&self, rate: &Rate, now: ShardTime) -> f64 {
        let elapsed_s = now.ms.saturating_sub(self.at.ms) as f64 / 1_000.0;
        (self.tokens + rate.per_second * elapsed_s).min(rate.burst)
    }

    /// Whether it says no more than one that is not there.
    #[must_use]
    pub fn is_full(&self, rate: &Rate, now: ShardTime) -> bool {
        self.tokens_at(rate, now) >= rate.burst
    }

    /// The standing (see [`threshold::standing`]) that a trace of the batch must exceed to pass; none if all pass. Spends for those that do.
    ///
    /// The batch is gone through from the highest standing down until one does not fit; it and all below it are cut. A trace dearer than the burst
    /// passes a full bucket and leaves a debt.
    pub(super) fn cut(&mut self, rate: &Rate, now: ShardTime, batch: &[Wish]) -> Option<u64> {
        self.refill(rate, now);
        let mut by_standing: Vec<(u64, f64)> = batch
            .iter()
            .map(|wish| {
                (
                    threshold::standing(wish.randomness, wish.threshold),
                    wish.cost,
                )
            })
            .collect();
        by_standing.sort_by_key(|(standing, _)| std::cmp::Reverse(*standing));
        for equals in by_standing.chunk_by(|a, b| a.0 == b.0) {
            let cost: f64 = equals.iter().map(|(_, cost)| cost).sum();
            if self.tokens < cost.min(rate.burst) {
                return equals.first().map(|(standing, _)| *standing);
            }
            self.tokens -= cost;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        unit: Unit::Traces,
        per_second: 2.0,
        burst: 4.0,
    };

    fn wishes(randomness: &[u64]) -> Vec<Wish> {
        randomness
            .iter()
            .map(|r| Wish {
                randomness: *r << 40,
                threshold: 0,
                cost: 1.0,
            })
            .collect()
    }

    #[test]
    fn the_highest_standing_pass_until_one_does_not_fit() {
        let mut bucket = Bucket::full(&RATE, ShardTime::from_s(0));
        let batch = wishes(&[5, 60, 7, 50, 9, 40]);
        let cut = bucket
            .cut(&RATE, ShardTime::from_s(1), &batch)
            .expect("two too many");
        let passed: Vec<usize> = (0..batch.len())
            .filter(|i| threshold::standing(batch[*i].randomness, 0) > cut)
            .collect();
        assert_eq!(passed, [1, 3, 4, 5]);
        assert_eq!(
            bucket.cut(&RATE, ShardTime::from_s(2), &wishes(&[1, 2])),
            None
        );
        assert!(
            bucket
                .cut(&RATE, ShardTime::from_s(2), &wishes(&[1]))
                .is_some()
        );
        assert!(bucket.is_full(&RATE, ShardTime::from_s(4)));
    }

    #[test]
    fn a_trace_dearer_than_the_burst_passes_once_and_leaves_a_debt() {
        let mut bucket = Bucket::full(&RATE, ShardTime::from_s(0));
        let giant = [Wish {
            randomness: 1 << 50,
            threshold: 0,
            cost: 10.0,
        }];
        assert_eq!(bucket.cut(&RATE, ShardTime::from_s(1), &giant), None);
        for s in 2..6 {
            assert!(
                bucket.cut(&RATE, ShardTime::from_s(s), &giant).is_some(),
                "second {s}"
            );
        }
        assert_eq!(bucket.cut(&RATE, ShardTime::from_s(6), &giant), None);
    }
}
