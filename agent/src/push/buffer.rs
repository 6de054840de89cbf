//! Requests that wait for the collector. Pure. Bounded by bytes and by age; the oldest go first, and whatever goes unsent is counted.

use std::collections::VecDeque;
use std::time::Duration;

use crate::batch::Batch;

#[derive(Debug)]
pub(super) struct Buffer {
    waiting: VecDeque<Batch>,
    bytes: u64,
    bytes_max: u64,
    age_max_ms: i64,
    counts: Counts,
}

/// What became of points since the agent began.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    /// Named by the collector as not taken, within requests that it took.
    rejected: u64,
    /// In requests that the collector will never take.
    refused: u64,
    /// Pushed out by younger ones.
    full: u64,
    /// Waited for too long.
    old: u64,
    /// Bytes that wait now.
    pub(crate) buffer_bytes: u64,
}

impl Counts {
    /// Points that were dropped, by reason.
    pub(crate) fn dropped(&self) -> [(&'static str, u64); 4] {
        [
            ("rejected", self.rejected),
            ("refused", self.refused),
            ("buffer_full", self.full),
            ("buffer_age", self.old),
        ]
    }
}

impl Buffer {
    pub(super) fn new(bytes_max: u64, age_max: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            bytes_max,
            age_max_ms: i64::try_from(age_max.as_millis()).unwrap_or(i64::MAX),
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            buffer_bytes: self.bytes,
            ..self.counts
        }
    }

    /// Adds the youngest.
    pub(super) fn put(&mut self, batch: Batch, now_unix_ms: i64) {
        self.bytes += batch.body.len() as u64;
        self.waiting.push_back(batch);
        self.drop_old(now_unix_ms);
        self.drop_full();
    }

    /// The oldest that is not too old.
    pub(super) fn take(&mut self, now_unix_ms: i64) -> Option<Batch> {
        self.drop_old(now_unix_ms);
        self.pop()
    }

    /// Puts the oldest back that was taken. Where younger ones took its room meanwhile, it is dropped.
    pub(super) fn put_back(&mut self, batch: Batch) {
        self.bytes += batch.body.len() as u64;
        self.waiting.push_front(batch);
        self.drop_full();
    }

    pub(super) fn sent(&mut self, batch: &Batch, n_rejected: u64) {
        let n_rejected = n_rejected.min(batch.n_points);
        self.counts.rejected += n_rejected;
        self.counts.sent += batch.n_points - n_rejected;
    }

    pub(super) fn refused(&mut self, batch: &Batch) {
        self.counts.refused += batch.n_points;
    }

    fn pop(&mut self) -> Option<Batch> {
        let batch = self.waiting.pop_front()?;
        self.bytes -= batch.body.len() as u64;
        Some(batch)
    }

    fn drop_old(&mut self, now_unix_ms: i64) {
        let age_max_ms = self.age_max_ms;
        let is_old = |batch: &Batch| now_unix_ms.saturating_sub(batch.made_unix_ms) > age_max_ms;
        while self.waiting.front().is_some_and(is_old) {
            self.counts.old += self.pop().map_or(0, |batch| batch.n_points);
        }
    }

    fn drop_full(&mut self) {
        while self.bytes > self.bytes_max {
            self.counts.full += self.pop().map_or(0, |batch| batch.n_points);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn batch(n_bytes: usize, n_points: u64, made_unix_ms: i64) -> Batch {
        Batch {
            body: Bytes::from(vec![0; n_bytes]),
            n_points,
            made_unix_ms,
        }
    }

    fn buffer(bytes_max: u64) -> Buffer {
        Buffer::new(bytes_max, Duration::from_secs(900))
    }

    #[test]
    fn the_oldest_comes_out_first_and_again_when_put_back() {
        let mut buffer = buffer(100);
        for n in 1..=3 {
            buffer.put(batch(10, n, 0), 0);
        }
        let first = buffer.take(0).expect("one waits");
        assert_eq!(first.n_points, 1);
        buffer.put_back(first);
        let order: Vec<u64> = std::iter::from_fn(|| buffer.take(0))
            .map(|batch| batch.n_points)
            .collect();
        assert_eq!(order, [1, 2, 3]);
        assert_eq!(buffer.counts(), Counts::default());
    }

    #[test]
    fn a_full_buffer_drops_the_oldest_and_counts_its_points() {
        let mut buffer = buffer(25);
        for n in 1..=3 {
            buffer.put(batch(10, n, 0), 0);
        }
        assert_eq!(buffer.counts().full, 1);
        assert_eq!(buffer.counts().buffer_bytes, 20);
        let second = buffer.take(0).expect("two wait");
        buffer.put(batch(10, 4, 0), 0);
        buffer.put_back(second);
        assert_eq!(buffer.counts().full, 1 + 2, "its room was taken meanwhile");
        buffer.put(batch(26, 50, 0), 0);
        assert_eq!(buffer.counts().full, 1 + 2 + 3 + 4 + 50, "larger than all");
        assert!(buffer.take(0).is_none());
    }

    #[test]
    fn what_is_too_old_is_dropped_and_counted() {
        let mut buffer = buffer(100);
        buffer.put(batch(1, 7, 0), 0);
        buffer.put(batch(1, 8, 1_000), 1_000);
        assert_eq!(buffer.take(900_001).map(|b| b.n_points), Some(8));
        assert_eq!(buffer.counts().old, 7);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn every_point_is_sent_waiting_or_counted(
            steps in prop::collection::vec((0_u8..4, 0_usize..40, 1_u64..9, 0_i64..400_000), 1..80),
        ) {
            let mut buffer = buffer(100);
            let (mut now, mut put) = (0, 0);
            for (step, n_bytes, n_points, wait) in steps {
                now += wait;
                match (step, buffer.take(now)) {
                    (0, Some(batch)) => buffer.sent(&batch, 1),
                    (1, Some(batch)) => buffer.refused(&batch),
                    (_, Some(batch)) => buffer.put_back(batch),
                    (_, None) => {}
                }
                buffer.put(batch(n_bytes, n_points, now), now);
                put += n_points;
                prop_assert!(buffer.bytes <= 100);
                let waiting: u64 = buffer.waiting.iter().map(|b| b.n_points).sum();
                let dropped: u64 = buffer.counts().dropped().iter().map(|(_, n)| n).sum();
                prop_assert_eq!(buffer.counts().sent + dropped + waiting, put);
                let bytes: usize = buffer.waiting.iter().map(|b| b.body.len()).sum();
                prop_assert_eq!(buffer.bytes, bytes as u64);
            }
        }
    }
}
