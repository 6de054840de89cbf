//! Deletes read segments: the oldest first, by age and by size. What is unread, and what its readers may read again, stays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use telemetry::clock::BelievedWall;
use telemetry::{Clock, RecordTime};

use super::offsets::Offsets;
use super::segment::Segment;
use super::segments::Segments;
use crate::{Config, Partition, Topic, TopicPartition};

/// One segment makes what lies before it older by this part of the retention at most: a quiet log keeps as many segments.
const AGE_STEPS_MIN: i64 = 8;
/// What decides about old segments.
#[derive(Debug)]
pub(crate) struct Retention {
    segments: Arc<Segments>,
    offsets: Arc<Offsets>,
    clock: Clock,
    age_ms_max: i64,
    bytes_max: u64,
    keep_read_ms: i64,
    wall: BelievedWall,
    last_enforced: Option<Instant>,
}

impl Retention {
    pub(crate) fn new(
        segments: Arc<Segments>,
        offsets: Arc<Offsets>,
        config: &Config,
        clock: Clock,
    ) -> Self {
        let mut wall = BelievedWall::default();
        wall.read(&clock);
        Self {
            segments,
            offsets,
            age_ms_max: whole_ms(config.retention),
            bytes_max: config.bytes_max,
            keep_read_ms: whole_ms(config.keep_read),
            wall,
            clock,
            last_enforced: None,
        }
    }

    pub(crate) fn enforce_if_due(&mut self, every: Duration) {
        let now = self.clock.monotonic();
        let due = self
            .last_enforced
            .is_none_or(|last| now.duration_since(last) >= every);
        if due {
            self.last_enforced = Some(now);
            self.enforce();
        }
    }

    /// Deletes what may go. A segment that cannot be removed stays readable and is tried again.
    pub(crate) fn enforce(&mut self) {
        let now = self.wall.read(&self.clock);
        let all = self.segments.all();
        let ages_ms = ages_ms(&all, now, self.age_ms_max / AGE_STEPS_MIN);
        let Some(kept_ms) = self.kept_ms(&all, &ages_ms) else {
            return;
        };
        let mut log_bytes: u64 = all.iter().map(|segment| segment.end() - segment.base).sum();
        // The last record of a segment is as old as the beginning of the next one.
        for (segment, &last_ms) in all.iter().zip(ages_ms.iter().skip(1)) {
            let too_old = last_ms > self.age_ms_max;
            if !(too_old || log_bytes > self.bytes_max) || last_ms <= kept_ms {
                return;
            }
            if let Err(error) = self.segments.disk.remove(&segment.name()) {
                tracing::warn!(code = "TW2105", base = segment.base, %error, "an old segment could not be removed");
                return;
            }
            let n_bytes = segment.end() - segment.base;
            self.segments.forget(segment);
            self.segments.metrics.log_bytes.dec_by(n_bytes as i64);
            log_bytes -= n_bytes;
        }
    }

    /// Age up to which a record may be read again; none while a partition was never committed.
    fn kept_ms(&self, all: &[Arc<Segment>], ages_ms: &[i64]) -> Option<i64> {
        let every = |topic| {
            (0..self.segments.n_partitions).map(move |n| TopicPartition {
                topic,
                partition: Partition(n),
            })
        };
        let committed = Topic::READ
            .into_iter()
            .flat_map(every)
            .map(|of| self.offsets.committed(of).map(|commit| commit.offset.0))
            .collect::<Option<Vec<_>>>()?;
        let oldest = committed.into_iter().min()?;
        let unread = all.iter().rposition(|segment| segment.base <= oldest)?;
        Some(ages_ms.get(unread)?.saturating_add(self.keep_read_ms))
    }
}

/// How long ago each segment began. Stamps follow a clock that was set ahead or back, so ages are summed from segment to segment, where a step back
/// counts nothing and one forward `step_ms_max` at most: what a wrong clock adds to an age is that.
fn ages_ms(all: &[Arc<Segment>], now: RecordTime, step_ms_max: i64) -> Vec<i64> {
    let mut ages_ms = Vec::with_capacity(all.len());
    let mut age_ms: i64 = 0;
    let mut later = now;
    for segment in all.iter().rev() {
        let step_ms = later.unix_ms.saturating_sub(segment.stamped.unix_ms).max(0);
        // The newest one is measured by the clock that was doubted already.
        let is_newest = ages_ms.is_empty();
        age_ms = age_ms.saturating_add(if is_newest {
            step_ms
        } else {
            step_ms.min(step_ms_max)
        });
        ages_ms.push(age_ms);
        later = segment.stamped;
    }
    ages_ms.reverse();
    ages_ms
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
