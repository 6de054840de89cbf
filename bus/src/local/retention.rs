//! Deletes read segments: the oldest first, by age and by size. What is unread, and what its readers may read again, stays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use telemetry::{Clock, RecordTime};

use super::offsets::Offsets;
use super::segment::Segment;
use super::segments::Segments;
use crate::{Config, Partition, Topic, TopicPartition};

/// A jump of the wall clock over this is not believed at once, in ms.
const JUMP_MS: i64 = 3_600_000;
/// Readings that must agree before it is.
const READINGS: u32 = 3;
/// Time between two readings that count.
const READINGS_APART: Duration = Duration::from_secs(60);

/// What decides about old segments.
#[derive(Debug)]
pub(crate) struct Retention {
    segments: Arc<Segments>,
    offsets: Arc<Offsets>,
    clock: Clock,
    age_ms_max: i64,
    bytes_max: u64,
    keep_read_ms: i64,
    steady: SteadyTime,
    last_enforced: Option<Instant>,
}

impl Retention {
    pub(crate) fn new(
        segments: Arc<Segments>,
        offsets: Arc<Offsets>,
        config: &Config,
        clock: Clock,
    ) -> Self {
        Self {
            segments,
            offsets,
            age_ms_max: whole_ms(config.retention),
            bytes_max: config.bytes_max,
            keep_read_ms: whole_ms(config.keep_read),
            steady: SteadyTime::new(clock.wall(), clock.monotonic()),
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
        let now = self.steady.read(self.clock.wall(), self.clock.monotonic());
        let all = self.segments.all();
        let Some(kept_from) = self.kept_from(&all) else {
            return;
        };
        let mut log_bytes: u64 = all.iter().map(|segment| segment.end() - segment.base).sum();
        for (segment, next) in all.iter().zip(all.iter().skip(1)) {
            let last_ms = next.stamped.unix_ms;
            let too_old = last_ms < now.unix_ms.saturating_sub(self.age_ms_max);
            if !(too_old || log_bytes > self.bytes_max) || last_ms >= kept_from.unix_ms {
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

    /// Time before which no reader of spans reads again; none while a partition was never committed.
    fn kept_from(&self, all: &[Arc<Segment>]) -> Option<RecordTime> {
        let committed = |n| {
            let of = TopicPartition {
                topic: Topic::Spans,
                partition: Partition(n),
            };
            self.offsets.committed(of).map(|commit| commit.offset.0)
        };
        let oldest = (0..self.segments.n_partitions)
            .map(committed)
            .collect::<Option<Vec<_>>>()?;
        let oldest = oldest.into_iter().min()?;
        let unread = all.iter().rev().find(|segment| segment.base <= oldest)?;
        let unix_ms = unread.stamped.unix_ms.saturating_sub(self.keep_read_ms);
        Some(RecordTime { unix_ms })
    }
}

/// The wall clock, except that a jump forward is believed only when three readings, a minute apart, agree: deleting cannot be undone.
#[derive(Debug)]
struct SteadyTime {
    believed: RecordTime,
    at: Instant,
    doubted: u32,
    last_doubt: Instant,
}

impl SteadyTime {
    fn new(wall: RecordTime, at: Instant) -> Self {
        Self {
            believed: wall,
            at,
            doubted: 0,
            last_doubt: at,
        }
    }

    fn read(&mut self, wall: RecordTime, at: Instant) -> RecordTime {
        let elapsed_ms = whole_ms(at.saturating_duration_since(self.at));
        let expected = RecordTime {
            unix_ms: self.believed.unix_ms.saturating_add(elapsed_ms),
        };
        if wall.unix_ms.saturating_sub(expected.unix_ms) <= JUMP_MS {
            *self = Self::new(wall, at);
            return wall;
        }
        if self.doubted == 0 || at.saturating_duration_since(self.last_doubt) >= READINGS_APART {
            self.doubted += 1;
            self.last_doubt = at;
        }
        if self.doubted >= READINGS {
            *self = Self::new(wall, at);
            return wall;
        }
        expected
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_clock_is_believed_at_the_third_reading() {
        let start = Clock::host().monotonic();
        let minute = |n: u64| start + Duration::from_secs(60 * n);
        let day_ms = 86_400_000;
        let mut steady = SteadyTime::new(RecordTime { unix_ms: 0 }, start);
        let mut read = |unix_ms, n| steady.read(RecordTime { unix_ms }, minute(n)).unix_ms;
        assert_eq!(read(60_000, 1), 60_000);
        assert_eq!(read(400 * day_ms, 2), 120_000);
        assert_eq!(
            read(400 * day_ms, 2),
            120_000,
            "the same minute counts once"
        );
        assert_eq!(read(400 * day_ms, 3), 180_000);
        assert_eq!(read(400 * day_ms, 4), 400 * day_ms);
        assert_eq!(read(5, 5), 5, "back is believed at once: it deletes less");
    }
}
