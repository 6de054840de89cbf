//! Opens what a process left behind, whatever it was doing. In: the files of a folder. Out: readable segments, commits, and where to go on writing.
//!
//! Sealed segments are not read here (their records are checked when they are read), only the last one is; so a start takes as long for
//! 1 GiB as for 64 MiB.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;

use telemetry::RecordTime;

use super::disk::Disk;
use super::frame::ALIGN;
use super::offsets::Offsets;
use super::segment::{
    Previous, SEGMENT_HEAD_BYTES, Segment, SegmentHead, SegmentHeadError, VERSION, base_of,
};
use super::segments::{Damage, Found, NO_RECORD, Segments, WINDOW_BYTES};
use super::writer::Tail;
use crate::config::{PARTITIONS_MAX, Partitions};
use crate::fields::Fields;
use crate::{Config, Metrics};

const META: &str = "meta";
const META_MAGIC: &[u8; 8] = b"TWLOGMET";
const META_BYTES_MAX: u64 = 4_096;

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the log in {place} is in use by another process")]
    InUse { place: String },
    #[error("{file} is of format {found}, this release reads format {VERSION}")]
    Version { file: String, found: u16 },
    #[error("the log has {pinned} partitions for life, bus.partitions says {wanted}")]
    Partitions { pinned: u32, wanted: u32 },
    #[error("{place}: {error}")]
    Io {
        place: String,
        #[source]
        error: io::Error,
    },
    #[error("bus.kind = \"kafka\" is not part of this build")]
    NoKafka,
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] crate::kafka::OpenKafkaError),
}

impl OpenError {
    /// Why the folder of a log cannot be had.
    pub(crate) fn of_folder(path: &Path, error: io::Error) -> Self {
        let place = path.display().to_string();
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::InUse { place },
            _ => Self::Io { place, error },
        }
    }
}

/// An opened log.
pub(crate) struct Recovered {
    pub(crate) segments: Arc<Segments>,
    pub(crate) offsets: Arc<Offsets>,
    pub(crate) tail: Tail,
}

/// What is pinned for the life of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meta {
    n_partitions: u32,
    log_id: u64,
}

/// A segment file before it is known where it ends.
struct Candidate {
    segment: Segment,
    file_bytes: u64,
    head: Option<SegmentHead>,
    /// No header at all, of this log or another: it was being made when everything stopped, or it is damaged.
    no_head: bool,
}

/// What a scan found.
#[derive(Default)]
struct Scan {
    /// Address behind the last whole record, if there is one.
    end: Option<u64>,
    stamped: Option<RecordTime>,
    holes: Vec<(u64, u64)>,
}

/// Opens the log on `disk`. A new one gets `n_partitions_new` partitions unless the configuration says how many.
pub(crate) fn recover(
    disk: Disk,
    config: &Config,
    n_partitions_new: u32,
    metrics: Metrics,
) -> Result<Recovered, OpenError> {
    let io_error = |name: &str| {
        let place = disk.place_of(name);
        move |error| OpenError::Io { place, error }
    };
    let mut candidates = candidates(&disk)?;
    let meta = pinned(&disk, config, n_partitions_new, &candidates)?;
    for candidate in &mut candidates {
        let base = candidate.segment.base;
        candidate.head = candidate
            .head
            .filter(|head| head.log_id == meta.log_id && head.base == base);
    }
    let (offsets, damaged) = Offsets::open(disk.clone()).map_err(io_error("offsets"))?;
    let segments = Segments::new(disk.clone(), meta.log_id, meta.n_partitions, metrics);
    for name in damaged {
        let (file, what) = (disk.place_of(name), "a file of commits is damaged");
        segments.report_damage(Damage {
            file,
            address: 0,
            n_bytes: 0,
            what,
        });
    }
    remove_leftovers(&segments, &mut candidates).map_err(io_error(""))?;
    let tail = add_all(&segments, candidates, config, offsets.past_all()).map_err(io_error(""))?;
    Ok(Recovered {
        segments: Arc::new(segments),
        offsets: Arc::new(offsets),
        tail,
    })
}

/// Every segment file with what its header says, in order of base.
fn candidates(disk: &Disk) -> Result<Vec<Candidate>, OpenError> {
    let mut candidates = Vec::new();
    for name in disk.list().map_err(|error| OpenError::Io {
        place: disk.place_of(""),
        error,
    })? {
        if let Some(base) = base_of(&name) {
            candidates.push(candidate(disk, &name, base)?);
        }
    }
    candidates.sort_by_key(|candidate| candidate.segment.base);
    Ok(candidates)
}

fn candidate(disk: &Disk, name: &str, base: u64) -> Result<Candidate, OpenError> {
    let read = || {
        let file = disk.open(name)?;
        let file_bytes = file.len()?;
        let segment = Segment::new(base, file, RecordTime { unix_ms: i64::MIN }, base);
        let bytes = segment.read(base, SEGMENT_HEAD_BYTES as usize)?;
        Ok((segment, file_bytes, bytes))
    };
    let (segment, file_bytes, bytes) = read().map_err(|error| OpenError::Io {
        place: disk.place_of(name),
        error,
    })?;
    let head = match SegmentHead::decode(&bytes) {
        Ok(head) => Some(head),
        Err(SegmentHeadError::Damaged) => None,
        Err(SegmentHeadError::Version { found }) => {
            return Err(OpenError::Version {
                file: disk.place_of(name),
                found,
            });
        }
    };
    let no_head = head.is_none();
    Ok(Candidate {
        segment,
        file_bytes,
        head,
        no_head,
    })
}

/// Takes away segments that were being made when everything stopped: no header, nothing behind it, and no other segment names them.
fn remove_leftovers(segments: &Segments, candidates: &mut Vec<Candidate>) -> io::Result<()> {
    let named: Vec<_> = candidates
        .iter()
        .filter_map(|c| c.head?.previous)
        .map(|p| p.base)
        .collect();
    let mut kept = Vec::with_capacity(candidates.len());
    for candidate in candidates.drain(..) {
        let leftover =
            candidate.no_head && !named.contains(&candidate.segment.base) && is_blank(&candidate)?;
        if leftover {
            segments.disk.remove(&candidate.segment.name())?;
        } else {
            kept.push(candidate);
        }
    }
    *candidates = kept;
    Ok(())
}

/// Reads `meta`, or makes it: from a segment if there is one, else for a new log.
fn pinned(
    disk: &Disk,
    config: &Config,
    n_partitions_new: u32,
    candidates: &[Candidate],
) -> Result<Meta, OpenError> {
    let io_error = |error| OpenError::Io {
        place: disk.place_of(META),
        error,
    };
    let wanted = match config.partitions {
        Partitions::Auto => None,
        Partitions::Fixed(n) => Some(n),
    };
    let bytes = disk.read_small(META, META_BYTES_MAX).map_err(io_error)?;
    let stored = match bytes.as_deref().and_then(Meta::decode) {
        Some(Err(found)) => {
            return Err(OpenError::Version {
                file: disk.place_of(META),
                found,
            });
        }
        Some(Ok(meta)) => Some(meta),
        None => None,
    };
    let told_by_segment = candidates
        .iter()
        .find_map(|candidate| candidate.head)
        .map(|head| Meta {
            n_partitions: head.n_partitions,
            log_id: head.log_id,
        });
    let known = stored.or(told_by_segment);
    if let (Some(meta), Some(wanted)) = (known, wanted)
        && meta.n_partitions != wanted
    {
        return Err(OpenError::Partitions {
            pinned: meta.n_partitions,
            wanted,
        });
    }
    let meta = known.unwrap_or_else(|| Meta {
        n_partitions: wanted.unwrap_or(n_partitions_new).clamp(1, PARTITIONS_MAX),
        log_id: RandomState::new().build_hasher().finish(),
    });
    if stored.is_none() {
        disk.replace(META, &meta.encode()).map_err(io_error)?;
    }
    Ok(meta)
}

/// Whether nothing was ever written behind the header.
fn is_blank(candidate: &Candidate) -> io::Result<bool> {
    let segment = &candidate.segment;
    let file_end = segment.base.saturating_add(candidate.file_bytes);
    let mut at = segment.first();
    while at < file_end {
        let bytes = segment.read(at, (file_end - at).min(WINDOW_BYTES) as usize)?;
        if bytes.is_empty() || bytes.iter().any(|byte| *byte != 0) {
            return Ok(bytes.is_empty());
        }
        at += bytes.len() as u64;
    }
    Ok(true)
}

/// Finds the end of every segment, makes them readable, and says where writing goes on.
fn add_all(
    segments: &Segments,
    candidates: Vec<Candidate>,
    config: &Config,
    past_commits: u64,
) -> io::Result<Tail> {
    let mut tail = Tail {
        next_base: past_commits,
        previous: None,
        stamped: RecordTime { unix_ms: i64::MIN },
    };
    let mut log_bytes = 0;
    let mut candidates = candidates.into_iter().peekable();
    while let Some(mut candidate) = candidates.next() {
        report_head(segments, &candidate, tail.previous);
        let base = candidate.segment.base;
        let stamped = candidate.head.map_or(tail.stamped, |head| head.stamped);
        candidate.segment.stamped = stamped;
        tail.stamped = stamped;
        let capacity_bytes = candidate
            .head
            .map_or(config.segment_bytes_max, |head| head.capacity_bytes);
        let past = base.saturating_add(capacity_bytes.max(candidate.file_bytes));
        tail.next_base = tail.next_base.max(past);
        let successor = candidates.peek();
        let told = successor
            .and_then(|next| next.head?.previous)
            .filter(|previous| previous.base == base);
        let end = match told {
            Some(previous) => {
                let end = previous.end.clamp(candidate.segment.first(), past);
                report_short(segments, &candidate, end);
                end
            }
            None => {
                let scan = scan(&candidate.segment, candidate.file_bytes, segments.salt())?;
                scan.report_holes(segments, &candidate.segment);
                tail.stamped = scan.stamped.unwrap_or(tail.stamped);
                scan.end.unwrap_or(candidate.segment.first())
            }
        };
        if successor.is_none() {
            cut_tail(&candidate, end)?;
        }
        log_bytes += candidate.file_bytes.min(end - base);
        tail.previous = Some(Previous { base, end });
        candidate.segment.set_end(end);
        segments.add(Arc::new(candidate.segment));
    }
    tail.next_base = tail.next_base.next_multiple_of(ALIGN);
    segments.announce(tail.previous.map_or(0, |previous| previous.end));
    segments.metrics.log_bytes.set(log_bytes as i64);
    Ok(tail)
}

/// Cuts what is torn behind the last record: nothing in it was acknowledged. What stays must not be only in the page cache that the last process
/// left, so it is synced before it is served.
fn cut_tail(last: &Candidate, end: u64) -> io::Result<()> {
    let used_bytes = end - last.segment.base;
    if last.file_bytes != used_bytes {
        last.segment.file.set_len(used_bytes)?;
    }
    last.segment.file.sync_data()
}

/// Says if the header is damaged, or the segment that it names as the one before is not there. `before` is what was found there.
fn report_head(segments: &Segments, candidate: &Candidate, before: Option<Previous>) {
    let segment = &candidate.segment;
    let Some(head) = candidate.head else {
        segments.report(
            segment,
            segment.base,
            SEGMENT_HEAD_BYTES,
            "the header of a segment is damaged",
        );
        return;
    };
    match (head.previous, before) {
        (Some(previous), None) => segments.deleted(previous.end),
        (Some(previous), Some(before)) if before.base < previous.base => {
            let n_bytes = previous.end.saturating_sub(previous.base);
            segments.report(
                segment,
                previous.base,
                n_bytes,
                "a segment before this one is missing",
            );
        }
        _ => {}
    }
}

/// Says if the file ends before its records do.
fn report_short(segments: &Segments, candidate: &Candidate, end: u64) {
    let file_end = candidate.segment.base.saturating_add(candidate.file_bytes);
    if file_end < end {
        segments.report(
            &candidate.segment,
            file_end,
            end - file_end,
            "the end of a segment is missing",
        );
    }
}

/// Reads a segment whose end nobody has told.
fn scan(segment: &Segment, file_bytes: u64, salt: u32) -> io::Result<Scan> {
    let file_end = segment.base.saturating_add(file_bytes);
    let mut scan = Scan::default();
    let mut at = segment.first();
    while at < file_end {
        at = segment.visit(at, file_end, salt, |found| match found {
            Found::Record(head, body) if head.record(&body).is_some() => {
                scan.end = Some(head.end());
                scan.stamped = Some(head.appended_at);
            }
            Found::Record(head, _) => scan.holes.push((head.address, head.end())),
            Found::Hole { start, end } => scan.holes.push((start, end)),
        })?;
    }
    Ok(scan)
}

impl Scan {
    /// Holes before the end are damage; those behind it are the torn tail.
    fn report_holes(&self, segments: &Segments, segment: &Segment) {
        let end = self.end.unwrap_or(segment.first());
        for (start, hole_end) in self.holes.iter().filter(|(start, _)| *start < end) {
            segments.report(segment, *start, hole_end - start, NO_RECORD);
        }
    }
}

impl Meta {
    fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        out.extend(META_MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 2]);
        out.extend(self.n_partitions.to_le_bytes());
        out.extend(self.log_id.to_le_bytes());
        out.extend([0; 4]);
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Nothing if it is damaged, `Err` with the version if that is a later one.
    fn decode(bytes: &[u8]) -> Option<Result<Self, u16>> {
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(checked) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut fields = Fields(checked);
        if fields.take(META_MAGIC.len())? != META_MAGIC {
            return None;
        }
        let version = fields.u16()?;
        if version != VERSION {
            return Some(Err(version));
        }
        fields.take(2)?;
        let n_partitions = fields.u32().filter(|n| (1..=PARTITIONS_MAX).contains(n))?;
        Some(Ok(Self {
            n_partitions,
            log_id: fields.u64()?,
        }))
    }
}
