//! Reads one partition of the local log in order.

use std::sync::Arc;

use tokio::sync::watch;

use super::segments::{Segments, Step};
use super::{Waiting, unavailable};
use crate::{Consumer, Fetched, LogError, Offset, TopicPartition};

/// Reads longer than this leave the async threads, in bytes: the tail of the log is in the page cache, the rest may be on the disk.
const INLINE_BYTES_MAX: u64 = 256 << 10;

/// A cursor in one partition. Every consumer has its own.
#[derive(Debug)]
pub struct LocalConsumer {
    segments: Arc<Segments>,
    of: TopicPartition,
    cursor: u64,
    waiting: Waiting,
    told_end: bool,
    grown: watch::Receiver<u64>,
}

impl LocalConsumer {
    pub(crate) fn new(
        segments: Arc<Segments>,
        of: TopicPartition,
        cursor: u64,
        waiting: Waiting,
    ) -> Self {
        Self {
            grown: segments.subscribe(),
            segments,
            of,
            cursor,
            waiting,
            told_end: false,
        }
    }

    async fn step(&self) -> Result<Step, LogError> {
        let (segments, of, cursor) = (self.segments.clone(), self.of, self.cursor);
        let deleted_to = segments.deleted_to();
        if cursor < deleted_to {
            return Err(LogError::OffsetLost {
                of,
                wanted: Offset(cursor),
                oldest: Offset(deleted_to),
            });
        }
        if let Some(step) = segments.recent.take(of, cursor) {
            return Ok(step);
        }
        let near_end = self.grown.borrow().saturating_sub(cursor) <= INLINE_BYTES_MAX;
        let read = move || segments.step(of, cursor);
        self.waiting.run(near_end, read).await?.map_err(unavailable)
    }
}

impl Consumer for LocalConsumer {
    async fn next(&mut self) -> Result<Fetched, LogError> {
        loop {
            self.grown.mark_unchanged();
            let step = self.step().await?;
            self.cursor = step.cursor;
            if !step.records.is_empty() {
                self.told_end = false;
                return Ok(Fetched::Records(step.records));
            }
            if !step.at_end {
                continue;
            }
            if !self.told_end {
                self.told_end = true;
                return Ok(Fetched::End);
            }
            self.grown.changed().await.map_err(|_| LogError::Closed)?;
        }
    }
}
