//! A segment: a file that holds a stretch of the log's addresses. Its header closes the segment before it.

use std::sync::atomic::{AtomicU64, Ordering};

use telemetry::RecordTime;

use super::disk::DiskFile;
use super::frame::ALIGN;
use crate::fields::Fields;

/// Bytes of a segment's header, before its first record.
pub(crate) const SEGMENT_HEAD_BYTES: u64 = 80;
const MAGIC: &[u8; 8] = b"TWLOGSEG";
/// Highest base of a segment: sums of addresses stay far from the end of 64 bits.
pub(crate) const BASE_MAX: u64 = 1 << 62;
/// Version of the format of segments and `meta`.
pub(crate) const VERSION: u16 = 1;
const NO_BASE: u64 = u64::MAX;

/// What the first bytes of a segment say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) n_partitions: u32,
    pub(crate) log_id: u64,
    /// Address of the file's first byte.
    pub(crate) base: u64,
    pub(crate) capacity_bytes: u64,
    /// The segment before, and where its acknowledged records end.
    pub(crate) previous: Option<Previous>,
    /// Newest append time given out before this segment.
    pub(crate) stamped: RecordTime,
}

/// How the segment before ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) base: u64,
    pub(crate) end: u64,
}

/// Why bytes are no segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SegmentHeadError {
    #[error("format {found}, this release reads format {VERSION}")]
    Version { found: u16 },
    #[error("a damaged segment header")]
    Damaged,
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let previous = self.previous.unwrap_or(Previous {
            base: NO_BASE,
            end: 0,
        });
        let mut out = Vec::with_capacity(SEGMENT_HEAD_BYTES as usize);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 2]);
        out.extend(self.n_partitions.to_le_bytes());
        out.extend(self.log_id.to_le_bytes());
        out.extend(self.base.to_le_bytes());
        out.extend(self.capacity_bytes.to_le_bytes());
        out.extend(previous.base.to_le_bytes());
        out.extend(previous.end.to_le_bytes());
        out.extend(self.stamped.unix_ms.to_le_bytes());
        out.extend([0; 12]);
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SegmentHeadError> {
        Self::fields(bytes).unwrap_or(Err(SegmentHeadError::Damaged))
    }

    fn fields(bytes: &[u8]) -> Option<Result<Self, SegmentHeadError>> {
        let (bytes, _) = bytes.split_at_checked(SEGMENT_HEAD_BYTES as usize)?;
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(checked) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut fields = Fields(checked);
        if fields.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let version = fields.u16()?;
        if version != VERSION {
            return Some(Err(SegmentHeadError::Version { found: version }));
        }
        fields.take(2)?;
        let n_partitions = fields.u32()?;
        let log_id = fields.u64()?;
        let base = fields.u64()?;
        let capacity_bytes = fields.u64().filter(|n| *n <= BASE_MAX)?;
        let previous = Previous {
            base: fields.u64()?,
            end: fields.u64()?,
        };
        let stamped = RecordTime {
            unix_ms: fields.i64()?,
        };
        Some(Ok(Self {
            n_partitions,
            log_id,
            base,
            capacity_bytes,
            previous: (previous.base != NO_BASE).then_some(previous),
            stamped,
        }))
    }
}

/// Name of the file of the segment at `base`.
pub(crate) fn file_name(base: u64) -> String {
    format!("{base:016x}.seg")
}

/// Base of the segment in the file `name`, if it is one.
pub(crate) fn base_of(name: &str) -> Option<u64> {
    let digits = name
        .strip_suffix(".seg")
        .filter(|digits| digits.len() == 16)?;
    let base = u64::from_str_radix(digits, 16).ok()?;
    let plausible = base <= BASE_MAX && base.is_multiple_of(ALIGN);
    (plausible && file_name(base) == name).then_some(base)
}

/// A segment that can be read.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: u64,
    pub(crate) file: DiskFile,
    /// Append time of the last record before it.
    pub(crate) stamped: RecordTime,
    /// Address at which its readable records end. Grows while it is written.
    end: AtomicU64,
}

impl Segment {
    pub(crate) fn new(base: u64, file: DiskFile, stamped: RecordTime, end: u64) -> Self {
        Self {
            base,
            file,
            stamped,
            end: AtomicU64::new(end),
        }
    }

    /// Address of its first record.
    pub(crate) fn first(&self) -> u64 {
        self.base.saturating_add(SEGMENT_HEAD_BYTES)
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    pub(crate) fn name(&self) -> String {
        file_name(self.base)
    }

    /// Reads up to `n_bytes` at `address`; fewer if the file ends there.
    pub(crate) fn read(&self, address: u64, n_bytes: usize) -> std::io::Result<Vec<u8>> {
        self.file
            .read_at_most(n_bytes, address.saturating_sub(self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_header_with_any_bit_flipped_is_damaged() {
        let head = SegmentHead {
            n_partitions: 4,
            log_id: 77,
            base: 1 << 26,
            capacity_bytes: 1 << 26,
            previous: Some(Previous {
                base: 0,
                end: 4_096,
            }),
            stamped: RecordTime { unix_ms: 5 },
        };
        let bytes = head.encode();
        assert_eq!(bytes.len() as u64, SEGMENT_HEAD_BYTES);
        assert_eq!(SegmentHead::decode(&bytes), Ok(head));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                SegmentHead::decode(&damaged),
                Err(SegmentHeadError::Damaged),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_segment_is_found_by_its_name() {
        assert_eq!(base_of(&file_name(0x4_00a8)), Some(0x4_00a8));
        for name in [
            "1.seg",
            "00000000000400AB.seg",
            "+000000000000001.seg",
            "meta",
            "00000000000400ab.seg.tmp",
            "00000000000400ab.seg",
            "8000000000000000.seg",
        ] {
            assert_eq!(base_of(name), None, "{name}");
        }
    }
}
