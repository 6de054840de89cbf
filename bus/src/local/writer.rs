//! Writes batches to the last segment. In: drafts made ready. Out: addresses, once the records are durable. One owner, no thread, no waiting for more:
//! the thread around it is [`super::commit`].

use std::io;
use std::sync::Arc;

use telemetry::{Clock, RecordTime};

use super::frame::{ALIGN, Head, body_crc, frame_bytes};
use super::recent::Written;
use super::segment::{Previous, SEGMENT_HEAD_BYTES, Segment, SegmentHead, file_name};
use super::segments::Segments;
use super::share::is_own;
use crate::config::Durability;
use crate::{Appended, Config, Draft, Offset, PublishError, Record};

/// A second failed write within this time makes the log read-only, in ms.
const FAILURES_APART_MS: u64 = 60_000;

/// The one writer of a log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    segments: Arc<Segments>,
    clock: Clock,
    durability: Durability,
    segment_bytes_max: u64,
    disk_reserve_bytes: u64,
    /// The segment that is written; none before the first batch and after a failure.
    active: Option<Arc<Segment>>,
    active_bytes_max: u64,
    next_base: u64,
    previous: Option<Previous>,
    stamped: RecordTime,
    failed_at: Option<RecordTime>,
    read_only: bool,
    buffer: Vec<u8>,
}

/// Where a recovered log goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) next_base: u64,
    pub(crate) previous: Option<Previous>,
    pub(crate) stamped: RecordTime,
}

/// A draft with all that can be worked out before its place is known.
#[derive(Debug)]
pub(crate) struct Entry {
    draft: Draft,
    /// The draft's, as it is written.
    header: Vec<u8>,
    body_crc: u32,
    is_own: bool,
}

/// Why a batch was not written. Every request in it is refused with it.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    DiskFull { free_bytes: u64, reserve_bytes: u64 },
    ReadOnly,
    Failed(Arc<io::Error>),
}

impl Entry {
    pub(crate) fn new(draft: Draft) -> Self {
        let mut header = Vec::new();
        draft.header.encode(&mut header);
        Self {
            is_own: is_own(&draft),
            body_crc: body_crc(&header, &draft.payload),
            header,
            draft,
        }
    }

    /// Whether an owner says it.
    pub(crate) fn is_own(&self) -> bool {
        self.is_own
    }

    fn head(&self, address: u64, appended_at: RecordTime) -> Head {
        Head {
            address,
            appended_at,
            of: self.draft.to,
            header_bytes: self.header.len() as u16,
            payload_bytes: self.draft.payload.len() as u32,
            body_crc: self.body_crc,
        }
    }

    /// The record that it is, once it stands where `head` says.
    fn record(&self, head: &Head) -> Record {
        Record {
            of: head.of,
            offset: Offset(head.address),
            appended_at: head.appended_at,
            header: self.draft.header.clone(),
            payload: self.draft.payload.clone(),
        }
    }

    /// What it takes in a segment.
    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(self.header.len(), self.draft.payload.len())
    }
}

impl From<Refusal> for PublishError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::DiskFull {
                free_bytes,
                reserve_bytes,
            } => Self::DiskFull {
                free_bytes,
                reserve_bytes,
            },
            Refusal::ReadOnly => Self::ReadOnly,
            Refusal::Failed(cause) => Self::Unavailable(Box::new(cause)),
        }
    }
}

impl LogWriter {
    pub(crate) fn new(segments: Arc<Segments>, config: &Config, clock: Clock, tail: Tail) -> Self {
        Self {
            segments,
            clock,
            durability: config.durability,
            segment_bytes_max: config.segment_bytes_max,
            disk_reserve_bytes: config.disk_reserve,
            active: None,
            active_bytes_max: 0,
            next_base: tail.next_base,
            previous: tail.previous,
            stamped: tail.stamped,
            failed_at: None,
            read_only: false,
            buffer: Vec::new(),
        }
    }

    /// Writes all requests of a batch, in order. They are durable on return, or none was acknowledged.
    pub(crate) fn commit_batch(
        &mut self,
        batch: &[Vec<Entry>],
    ) -> Result<Vec<Vec<Appended>>, Refusal> {
        if self.read_only {
            return Err(Refusal::ReadOnly);
        }
        self.check_space()?;
        let batch_bytes = batch.iter().flatten().map(Entry::frame_bytes).sum();
        let segment = match self.room_for(batch_bytes) {
            Some(active) => active,
            None => self.roll(batch_bytes)?,
        };
        let start = segment.end();
        let (appended, written) = self.encode(batch, start);
        if let Err(error) = segment
            .file
            .write_all_at(&self.buffer, start - segment.base)
        {
            return Err(self.abandon(&segment, error));
        }
        if self.durability == Durability::Fsync
            && let Err(error) = segment.file.sync_data()
        {
            return Err(self.abandon(&segment, error));
        }
        segment.set_end(start + batch_bytes);
        self.segments.recent.add(written);
        self.segments.announce(start + batch_bytes);
        Ok(appended)
    }

    fn check_space(&self) -> Result<(), Refusal> {
        let Ok(space) = self.segments.disk.space() else {
            return Ok(()); // A disk that cannot tell is judged by its writes.
        };
        let reserve_bytes = self.disk_reserve_bytes.max(space.total_bytes / 20);
        if space.free_bytes < reserve_bytes {
            return Err(Refusal::DiskFull {
                free_bytes: space.free_bytes,
                reserve_bytes,
            });
        }
        Ok(())
    }

    fn room_for(&self, batch_bytes: u64) -> Option<Arc<Segment>> {
        let active = self.active.as_ref()?;
        let used_bytes = active.end() - active.base;
        (used_bytes + batch_bytes <= self.active_bytes_max).then(|| active.clone())
    }

    /// Heads, headers and payloads of the batch into the buffer, as they will stand from `start` on. Returns where each stands, and the records themselves.
    fn encode(&mut self, batch: &[Vec<Entry>], start: u64) -> (Vec<Vec<Appended>>, Vec<Written>) {
        self.stamped = self.clock.wall(); // Also when it was set back: shard time takes no step back, and must not stand still until it has caught up.
        self.buffer.clear();
        let mut at = start;
        let mut written = Vec::new();
        let mut place = |entry: &Entry| {
            let head = entry.head(at, self.stamped);
            head.encode(self.segments.salt(), &mut self.buffer);
            self.buffer.extend(&entry.header);
            self.buffer.extend(&entry.draft.payload);
            at = head.end();
            self.buffer.resize((at - start) as usize, 0);
            let record = entry.record(&head);
            let (of, offset) = (record.of, record.offset);
            written.push(Written { record, end: at });
            Appended { of, offset }
        };
        let requests = batch.iter();
        let appended = requests.map(|request| request.iter().map(&mut place).collect());
        (appended.collect(), written)
    }

    /// Closes the active segment and begins the next one.
    fn roll(&mut self, batch_bytes: u64) -> Result<Arc<Segment>, Refusal> {
        if let Some(full) = self.active.take() {
            self.close(&full);
        }
        let capacity_bytes = self
            .segment_bytes_max
            .max(SEGMENT_HEAD_BYTES + batch_bytes)
            .next_multiple_of(ALIGN);
        let base = self.next_base;
        self.next_base = base + capacity_bytes; // Used up even if it fails: an address never comes twice.
        match self.create(base, capacity_bytes) {
            Ok(segment) => {
                let segment = Arc::new(segment);
                self.segments.add(segment.clone());
                self.active = Some(segment.clone());
                self.active_bytes_max = capacity_bytes;
                self.segments
                    .metrics
                    .log_bytes
                    .inc_by(capacity_bytes as i64);
                Ok(segment)
            }
            Err(error) => {
                if let Err(left) = self.segments.disk.remove(&file_name(base)) {
                    tracing::debug!(base, %left, "a segment that could not be begun stays");
                }
                Err(self.fail(error))
            }
        }
    }

    fn create(&self, base: u64, capacity_bytes: u64) -> io::Result<Segment> {
        let head = SegmentHead {
            n_partitions: self.segments.n_partitions,
            log_id: self.segments.log_id,
            base,
            capacity_bytes,
            previous: self.previous,
            stamped: self.stamped,
        };
        let disk = &self.segments.disk;
        let file = disk.create(&file_name(base))?;
        file.reserve(capacity_bytes)?;
        file.write_all_at(&head.encode(), 0)?;
        file.sync_data()?;
        disk.sync_names()?;
        Ok(Segment::new(
            base,
            file,
            self.stamped,
            base + SEGMENT_HEAD_BYTES,
        ))
    }

    /// Gives back the room behind the last record.
    fn close(&mut self, segment: &Segment) {
        self.previous = Some(Previous {
            base: segment.base,
            end: segment.end(),
        });
        let used_bytes = segment.end() - segment.base;
        match segment.file.set_len(used_bytes) {
            Ok(()) => {
                let freed_bytes = self.active_bytes_max.saturating_sub(used_bytes);
                self.segments.metrics.log_bytes.dec_by(freed_bytes as i64);
            }
            Err(error) => {
                tracing::warn!(code = "TW2102", base = segment.base, %error, "a full segment could not be cut")
            }
        }
    }

    /// After a failed write or fsync nobody knows what is on the disk: the segment ends at its last acknowledged record and is never written again.
    fn abandon(&mut self, segment: &Segment, error: io::Error) -> Refusal {
        self.active = None;
        self.previous = Some(Previous {
            base: segment.base,
            end: segment.end(),
        });
        self.fail(error)
    }

    fn fail(&mut self, error: io::Error) -> Refusal {
        if is_full(&error) {
            let free_bytes = self
                .segments
                .disk
                .space()
                .map_or(0, |space| space.free_bytes);
            return Refusal::DiskFull {
                free_bytes,
                reserve_bytes: self.disk_reserve_bytes,
            };
        }
        self.segments.metrics.write_failures.inc();
        let now = self.clock.wall();
        let again = self
            .failed_at
            .is_some_and(|before| now.unix_ms.abs_diff(before.unix_ms) < FAILURES_APART_MS);
        self.failed_at = Some(now);
        self.read_only |= again;
        self.segments
            .metrics
            .read_only
            .set(i64::from(self.read_only));
        tracing::error!(code = "TW2103", %error, read_only = self.read_only, "a write to the log failed; its segment is abandoned");
        Refusal::Failed(Arc::new(error))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
