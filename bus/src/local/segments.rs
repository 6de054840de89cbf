//! All segments that can be read, and the damage found in them. The writer adds and closes segments, readers walk them, retention drops them.
//!
//! Only acknowledged records are seen: a segment's `end` moves after the fsync.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::disk::Disk;
use super::frame::{ALIGN, HEAD_BYTES, Head, body_crc};
use super::recent::Recent;
use super::segment::Segment;
use crate::{Header, Metrics, Offset, Record, TopicPartition};

/// What is read at once, in bytes; more only for a single larger record.
pub(crate) const WINDOW_BYTES: u64 = 1 << 20;
/// What is said of a hole.
pub(crate) const NO_RECORD: &str =
    "no record stands here: damage, or a write that was cut short and never acknowledged";
/// Most holes that are remembered one by one.
const HOLES_MAX: usize = 10_000;

/// The readable log.
#[derive(Debug)]
pub(crate) struct Segments {
    pub(crate) disk: Disk,
    pub(crate) log_id: u64,
    pub(crate) n_partitions: u32,
    pub(crate) metrics: Metrics,
    pub(crate) recent: Recent,
    by_base: RwLock<BTreeMap<u64, Arc<Segment>>>,
    /// Address before which records were deleted.
    deleted_to: RwLock<u64>,
    holes: Mutex<BTreeMap<u64, Damage>>,
    grown: watch::Sender<u64>,
}

/// A stretch of the log that could not be read and is stepped over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file it is in.
    pub file: String,
    /// Address of its first byte.
    pub address: u64,
    pub n_bytes: u64,
    pub what: &'static str,
}

/// What stands in a segment.
pub(crate) enum Found<'a> {
    /// A head, and header and payload together, which are not checked yet.
    Record(&'a Head, Bytes),
    /// No valid head up to the next one at this address.
    Hole { start: u64, end: u64 },
}

/// What one read of a partition gave.
pub(crate) struct Step {
    pub(crate) records: Vec<Record>,
    /// Where the next read begins.
    pub(crate) cursor: u64,
    pub(crate) at_end: bool,
}

impl Segments {
    pub(crate) fn new(disk: Disk, log_id: u64, n_partitions: u32, metrics: Metrics) -> Self {
        Self {
            disk,
            log_id,
            n_partitions,
            metrics,
            recent: Recent::new(n_partitions),
            by_base: RwLock::default(),
            deleted_to: RwLock::new(0),
            holes: Mutex::default(),
            grown: watch::Sender::new(0),
        }
    }

    pub(crate) fn salt(&self) -> u32 {
        self.log_id as u32
    }

    pub(crate) fn add(&self, segment: Arc<Segment>) {
        self.by_base.write().insert(segment.base, segment);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.by_base.read().values().cloned().collect()
    }

    /// Takes `segment` out of the readable log; its records count as deleted.
    pub(crate) fn forget(&self, segment: &Segment) {
        self.by_base.write().remove(&segment.base);
        self.deleted(segment.end());
    }

    /// Nothing before `address` is there any more.
    pub(crate) fn deleted(&self, address: u64) {
        let mut deleted_to = self.deleted_to.write();
        *deleted_to = address.max(*deleted_to);
    }

    /// Address before which records were deleted.
    pub(crate) fn deleted_to(&self) -> u64 {
        *self.deleted_to.read()
    }

    /// Wakes readers: records up to `end` can be read.
    pub(crate) fn announce(&self, end: u64) {
        self.grown.send_replace(end);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// Everything that was found damaged, in order of address.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        self.holes.lock().values().cloned().collect()
    }

    pub(crate) fn report(&self, segment: &Segment, address: u64, n_bytes: u64, what: &'static str) {
        let file = self.disk.place_of(&segment.name());
        self.report_damage(Damage {
            file,
            address,
            n_bytes,
            what,
        });
    }

    /// Tells and counts a stretch once.
    pub(crate) fn report_damage(&self, damage: Damage) {
        let mut holes = self.holes.lock();
        if holes.contains_key(&damage.address) || holes.len() >= HOLES_MAX {
            return;
        }
        tracing::error!(
            code = "TW2101",
            file = damage.file,
            address = damage.address,
            n_bytes = damage.n_bytes,
            "the log is damaged: {}",
            damage.what
        );
        self.metrics.quarantined_bytes.inc_by(damage.n_bytes);
        holes.insert(damage.address, damage);
    }

    /// The segment that has the first readable byte at or after `cursor`, and where that is.
    fn locate(&self, cursor: u64) -> Option<(Arc<Segment>, u64)> {
        let by_base = self.by_base.read();
        let start = by_base
            .range(..=cursor)
            .next_back()
            .map_or(cursor, |(base, _)| *base);
        by_base.range(start..).find_map(|(_, segment)| {
            let at = cursor.max(segment.first());
            (at < segment.end()).then(|| (segment.clone(), at))
        })
    }

    /// Reads on in one partition from `cursor`: one window, or one larger record.
    pub(crate) fn step(&self, of: TopicPartition, cursor: u64) -> io::Result<Step> {
        let Some((segment, at)) = self.locate(cursor) else {
            return Ok(Step {
                records: Vec::new(),
                cursor,
                at_end: true,
            });
        };
        let mut records = Vec::new();
        let cursor = segment.visit(at, segment.end(), self.salt(), |found| match found {
            Found::Record(head, body) if head.of == of => {
                records.extend(self.record(&segment, head, &body));
            }
            Found::Record(..) => {}
            Found::Hole { start, end } => self.report(&segment, start, end - start, NO_RECORD),
        })?;
        Ok(Step {
            records,
            cursor,
            at_end: false,
        })
    }

    /// Checks a body and takes it apart; what is damaged is reported and is nothing.
    fn record(&self, segment: &Segment, head: &Head, body: &Bytes) -> Option<Record> {
        let record = head.record(body);
        if record.is_none() {
            self.report(
                segment,
                head.address,
                head.frame_bytes(),
                "a record with a wrong checksum or header",
            );
        }
        record
    }

    /// Reads the record at exactly `address`.
    pub(crate) fn fetch(&self, of: TopicPartition, address: u64) -> io::Result<Option<Record>> {
        let segment = {
            let by_base = self.by_base.read();
            by_base
                .range(..=address)
                .next_back()
                .map(|(_, segment)| segment.clone())
        };
        let Some(segment) = segment.filter(|s| (s.first()..s.end()).contains(&address)) else {
            return Ok(None);
        };
        let bytes = segment.read(address, HEAD_BYTES)?;
        let head = Head::decode(&bytes, address, self.salt());
        let Some(head) = head.filter(|head| head.of == of && head.end() <= segment.end()) else {
            return Ok(None);
        };
        let body = Bytes::from(segment.read(address + HEAD_BYTES as u64, head.body_bytes())?);
        Ok(self.record(&segment, &head, &body))
    }
}

impl Head {
    /// Address behind this record.
    pub(crate) fn end(&self) -> u64 {
        self.address.saturating_add(self.frame_bytes())
    }

    /// The record of which `body` is header and payload, if they are whole and undamaged. The payload is a slice of `body`.
    pub(crate) fn record(&self, body: &Bytes) -> Option<Record> {
        let (header, payload) = body.split_at_checked(usize::from(self.header_bytes))?;
        if payload.len() != self.payload_bytes as usize
            || body_crc(header, payload) != self.body_crc
        {
            return None;
        }
        Some(Record {
            of: self.of,
            offset: Offset(self.address),
            appended_at: self.appended_at,
            header: Header::decode(header).ok()?,
            payload: body.slice_ref(payload),
        })
    }
}

impl Segment {
    /// Shows what stands from `start` on, one window or one larger record or hole, and returns where to go on. `start` lies before `end`.
    pub(crate) fn visit(
        &self,
        start: u64,
        end: u64,
        salt: u32,
        mut each: impl FnMut(Found<'_>),
    ) -> io::Result<u64> {
        let left_bytes = end.saturating_sub(start);
        let mut window = self.read(start, left_bytes.min(WINDOW_BYTES) as usize)?;
        let head_at = |bytes: &[u8], address| {
            Head::decode(bytes, address, salt).filter(|head| head.end() <= end)
        };
        let first = head_at(&window, start);
        if let Some(first) = first.filter(|first| first.frame_bytes() > window.len() as u64) {
            window = self.read(start, first.frame_bytes() as usize)?;
        }
        let window = Bytes::from(window);
        let mut at = start;
        loop {
            let rest = window.slice((at - start) as usize..);
            let Some(head) = head_at(&rest, at).filter(|h| h.frame_bytes() <= rest.len() as u64)
            else {
                break;
            };
            each(Found::Record(
                &head,
                rest.slice(HEAD_BYTES..HEAD_BYTES + head.body_bytes()),
            ));
            at = head.end();
        }
        if at == start {
            at = self.next_head(start.saturating_add(ALIGN), end, salt)?;
            each(Found::Hole { start, end: at });
        }
        Ok(at)
    }

    /// The first address at or after `from` where a valid head stands, else `end`.
    fn next_head(&self, from: u64, end: u64, salt: u32) -> io::Result<u64> {
        let mut at = from;
        while at < end {
            let window = self.read(at, (end - at).min(WINDOW_BYTES) as usize)?;
            let Some(last) = window.len().checked_sub(HEAD_BYTES) else {
                break;
            };
            for position in (0..=last).step_by(ALIGN as usize) {
                let address = at + position as u64;
                let head = window
                    .get(position..)
                    .and_then(|bytes| Head::decode(bytes, address, salt));
                if head.is_some_and(|head| head.end() <= end) {
                    return Ok(address);
                }
            }
            at += (last as u64 / ALIGN + 1) * ALIGN;
        }
        Ok(end)
    }
}
