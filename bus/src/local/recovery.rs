//! Opens what a process left behind, whatever it was doing. In: the files of a folder. Out: readable segments, commits, and where to go on writing.
//!
//! Sealed segments are not read here (their records are checked when they are read), only the last one is; so a start takes as long for
//! 1 GiB as for 64 MiB.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;

use telemetry::RecordTime;

use super::disk::{Disk, DiskFile};
use super::frame::ALIGN;
use super::offsets::Offsets;
use super::segment::{
    Previous, SEGMENT_HEAD_BYTES, Segment, SegmentHead, SegmentHeadError, VERSION, base_of,
};
use super::segments::{Damage, Found, Segments};
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
    base: u64,
    name: String,
    file: DiskFile,
    file_bytes: u64,
    head: Option<SegmentHead>,
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
    let told = |name: &str| {
        let place = disk.place_of(name);
        move |error| OpenError::Io { place, error }
    };
    let mut candidates = candidates(&disk)?;
    let meta = pinned(&disk, config, n_partitions_new, &candidates)?;
    for candidate in candidates.values_mut() {
        candidate.head = candidate
            .head
            .filter(|head| head.log_id == meta.log_id && head.base == candidate.base);
    }
    let (offsets, damaged) = Offsets::open(disk.clone()).map_err(told("offsets"))?;
    let segments = Segments::new(disk.clone(), meta.log_id, meta.n_partitions, metrics);
    for name in damaged {
        let file = disk.place_of(name);
        segments.report_damage(Damage {
            file,
            address: 0,
            n_bytes: 0,
            what: "a file of commits is damaged",
        });
    }
    let tail = add_all(&segments, candidates, config, offsets.past_all()).map_err(told(""))?;
    Ok(Recovered {
        segments: Arc::new(segments),
        offsets: Arc::new(offsets),
        tail,
    })
}

/// Every segment file with what its header says.
fn candidates(disk: &Disk) -> Result<BTreeMap<u64, Candidate>, OpenError> {
    let io_error = |name: &str| {
        let place = disk.place_of(name);
        move |error| OpenError::Io { place, error }
    };
    let mut candidates = BTreeMap::new();
    for name in disk.list().map_err(io_error(""))? {
        let Some(base) = base_of(&name) else { continue };
        let file = disk.open(&name).map_err(io_error(&name))?;
        let file_bytes = file.len().map_err(io_error(&name))?;
        let mut bytes = [0; SEGMENT_HEAD_BYTES as usize];
        let n_read = file.read_at_most(&mut bytes, 0).map_err(io_error(&name))?;
        let head = match SegmentHead::decode(bytes.get(..n_read).unwrap_or_default()) {
            Ok(head) => Some(head),
            Err(SegmentHeadError::Damaged) => None,
            Err(SegmentHeadError::Version { found }) => {
                return Err(OpenError::Version {
                    file: disk.place_of(&name),
                    found,
                });
            }
        };
        candidates.insert(
            base,
            Candidate {
                base,
                name,
                file,
                file_bytes,
                head,
            },
        );
    }
    Ok(candidates)
}

/// Reads `meta`, or makes it: from a segment if there is one, else for a new log.
fn pinned(
    disk: &Disk,
    config: &Config,
    n_partitions_new: u32,
    candidates: &BTreeMap<u64, Candidate>,
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
        .values()
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

/// Finds the end of every segment, makes them readable, and says where writing goes on.
fn add_all(
    segments: &Segments,
    candidates: BTreeMap<u64, Candidate>,
    config: &Config,
    past_commits: u64,
) -> io::Result<Tail> {
    let mut tail = Tail {
        next_base: past_commits,
        previous: None,
        stamped: RecordTime { unix_ms: i64::MIN },
    };
    let heads: Vec<_> = candidates.values().map(|c| (c.base, c.head)).collect();
    let mut log_bytes = 0;
    for (idx, (base, candidate)) in candidates.into_iter().enumerate() {
        let successor = heads.get(idx + 1);
        let stamped = candidate.head.map_or(tail.stamped, |head| head.stamped);
        tail.stamped = tail.stamped.max(stamped);
        report_gap(segments, &candidate, tail.previous);
        let capacity_bytes = candidate
            .head
            .map_or(config.segment_bytes_max, |head| head.capacity_bytes);
        let past = base.saturating_add(capacity_bytes.max(candidate.file_bytes));
        tail.next_base = tail.next_base.max(past);
        let end_told = successor
            .and_then(|(_, head)| head.as_ref()?.previous)
            .filter(|p| p.base == base)
            .map(|p| p.end);
        let segment = Segment::new(base, candidate.file, stamped, base);
        let end = match end_told {
            Some(end) => end.clamp(segment.first(), past),
            None => {
                let scan = scan(&segment, candidate.file_bytes, segments.salt())?;
                scan.report_holes(segments, &segment);
                tail.stamped = tail.stamped.max(scan.stamped.unwrap_or(tail.stamped));
                scan.end.unwrap_or(segment.first())
            }
        };
        let used_bytes = end - base;
        if successor.is_none() && candidate.file_bytes != used_bytes {
            segment.file.set_len(used_bytes)?; // The torn tail: nothing in it was acknowledged.
        }
        if successor.is_none() {
            // What is served from here on must not be only in the page cache of the last process.
            segment.file.sync_data()?;
        }
        if candidate.file_bytes < used_bytes && end_told.is_some() {
            let missing_bytes = used_bytes - candidate.file_bytes;
            segments.report(
                &segment,
                base + candidate.file_bytes,
                missing_bytes,
                "the end of a segment is missing",
            );
        }
        segment.set_end(end);
        log_bytes += candidate.file_bytes.min(used_bytes);
        tail.previous = Some(Previous { base, end });
        segments.add(Arc::new(segment));
    }
    tail.next_base = tail.next_base.next_multiple_of(ALIGN);
    segments.announce(tail.previous.map_or(0, |previous| previous.end));
    segments.metrics.log_bytes.set(log_bytes as i64);
    Ok(tail)
}

/// Says if the header is damaged, or the segment that it names as the one before is not there. `before` is what was found there.
fn report_gap(segments: &Segments, candidate: &Candidate, before: Option<Previous>) {
    let file = segments.disk.place_of(&candidate.name);
    let Some(head) = candidate.head else {
        let what = "the header of a segment is damaged";
        segments.report_damage(Damage {
            file,
            address: candidate.base,
            n_bytes: SEGMENT_HEAD_BYTES,
            what,
        });
        return;
    };
    match (head.previous, before) {
        (Some(previous), None) => segments.deleted(previous.end),
        (Some(previous), Some(before)) if before.base < previous.base => {
            let what = "a segment before this one is missing";
            let n_bytes = previous.end - previous.base;
            segments.report_damage(Damage {
                file,
                address: previous.base,
                n_bytes,
                what,
            });
        }
        _ => {}
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
            segments.report(
                segment,
                *start,
                hole_end - start,
                "no whole record stands here",
            );
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
