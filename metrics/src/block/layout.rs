//! Where sections lie in a body, and how they are packed.

use bytes::Bytes;

use super::{BuildError, DecodeError};

pub(super) const MAGIC: [u8; 8] = *b"TWMETRI\x02";
pub(super) const N_SECTIONS: usize = 7;
const ENTRY_BYTES: usize = 24;
/// Table, counts, checksum, magic.
pub(super) const FOOTER_BYTES: u64 = (N_SECTIONS * ENTRY_BYTES + 24) as u64;
pub(super) const SERIES_MAX: u32 = 16 << 20;
/// Level of zstd for indexes.
const ZSTD_LEVEL: i32 = 3;

pub(super) const SYMBOLS: usize = 0;
pub(super) const SERIES: usize = 1;
pub(super) const TIMES: usize = 2;
pub(super) const CHUNK_INDEX: usize = 3;
pub(super) const CHUNKS: usize = 4;
pub(super) const EXEMPLARS: usize = 5;
pub(super) const METADATA: usize = 6;

/// Raw bytes of each section at most.
const RAW_MAX: [u64; N_SECTIONS] = [
    1 << 30,
    1 << 30,
    1 << 30,
    1 << 30,
    4 << 30,
    256 << 20,
    64 << 20,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Section {
    pub(super) at: u64,
    pub(super) bytes: u64,
    pub(super) raw_bytes: u32,
    pub(super) crc: u32,
}

/// Sections by name.
const NAMES: [&str; N_SECTIONS] = [
    "symbols",
    "series",
    "times",
    "chunk index",
    "chunks",
    "exemplars",
    "metadata",
];

/// Bytes that each section of a body takes as stored.
///
/// # Errors
/// When its end is damaged.
pub fn section_bytes(body: &[u8]) -> Result<[(&'static str, u64); N_SECTIONS], DecodeError> {
    let (_, footer) = body
        .split_at_checked(body.len().saturating_sub(FOOTER_BYTES as usize))
        .unwrap_or_default();
    let Footer { sections, .. } = Footer::decode(footer, body.len() as u64)?;
    let mut named = NAMES.map(|name| (name, 0));
    for ((_, bytes), section) in named.iter_mut().zip(sections) {
        *bytes = section.bytes;
    }
    Ok(named)
}

fn is_packed(section: usize) -> bool {
    section != TIMES && section != CHUNKS
}

/// Puts a body together; sections come raw.
pub(super) fn join(
    sections: [Vec<u8>; N_SECTIONS],
    n_series: u32,
    n_points: u64,
) -> Result<Bytes, BuildError> {
    let mut body = Vec::with_capacity(sections.iter().map(Vec::len).sum::<usize>() + 512);
    body.extend(MAGIC);
    let mut table = Vec::with_capacity(N_SECTIONS * ENTRY_BYTES + 12);
    for (idx, raw) in sections.into_iter().enumerate() {
        let bytes_max = RAW_MAX.get(idx).copied().unwrap_or_default();
        let bytes = raw.len() as u64;
        if bytes > bytes_max {
            return Err(BuildError::TooLarge { bytes, bytes_max });
        }
        let stored = if is_packed(idx) {
            zstd::bulk::compress(&raw, ZSTD_LEVEL).map_err(BuildError::Compress)?
        } else {
            raw
        };
        let (raw_bytes, crc) = if idx == CHUNKS {
            (0, 0)
        } else {
            (bytes as u32, crc32c::crc32c(&stored))
        };
        table.extend((body.len() as u64).to_le_bytes());
        table.extend((stored.len() as u64).to_le_bytes());
        table.extend(raw_bytes.to_le_bytes());
        table.extend(crc.to_le_bytes());
        body.extend(stored);
    }
    table.extend(n_series.to_le_bytes());
    table.extend(n_points.to_le_bytes());
    let crc = crc32c::crc32c(&table);
    body.extend(table);
    body.extend(crc.to_le_bytes());
    body.extend(MAGIC);
    Ok(Bytes::from(body))
}

/// The end of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Footer {
    pub(super) sections: [Section; N_SECTIONS],
    pub(super) n_series: u32,
}

impl Footer {
    /// Reads the last [`FOOTER_BYTES`] of a body of `size_bytes`.
    pub(super) fn decode(footer: &[u8], size_bytes: u64) -> Result<Self, DecodeError> {
        let cut = DecodeError::Other("its footer is cut short");
        let (rest, magic) = footer.split_last_chunk::<8>().ok_or(cut.clone())?;
        if magic.get(..7) != MAGIC.get(..7) {
            return Err(DecodeError::Other("it has no magic at its end"));
        }
        if *magic != MAGIC {
            let found = magic.last().copied().unwrap_or_default();
            return Err(DecodeError::Version { found });
        }
        let (rest, crc) = rest.split_last_chunk::<4>().ok_or(cut.clone())?;
        if crc32c::crc32c(rest) != u32::from_le_bytes(*crc) {
            return Err(DecodeError::Other("its footer has a wrong checksum"));
        }
        let (rest, _n_points) = rest.split_last_chunk::<8>().ok_or(cut.clone())?;
        let (rest, n_series) = rest.split_last_chunk().ok_or(cut.clone())?;
        let n_series = u32::from_le_bytes(*n_series);
        if n_series > SERIES_MAX {
            return Err(DecodeError::Other("it says that it has too many series"));
        }
        let mut sections = [Section::default(); N_SECTIONS];
        let entries = rest.chunks_exact(ENTRY_BYTES);
        if entries.len() != N_SECTIONS || !entries.remainder().is_empty() {
            return Err(cut);
        }
        for (idx, (section, entry)) in sections.iter_mut().zip(entries).enumerate() {
            *section = Section::decode(entry).ok_or(cut.clone())?;
            let end = section.at.checked_add(section.bytes);
            let inside = end.is_some_and(|end| end + FOOTER_BYTES <= size_bytes);
            let raw_max = RAW_MAX.get(idx).copied().unwrap_or_default();
            if !inside || u64::from(section.raw_bytes) > raw_max || section.bytes > raw_max + 1024 {
                return Err(DecodeError::Section(idx));
            }
        }
        Ok(Self { sections, n_series })
    }

    /// Bytes of a section.
    pub(super) fn range(&self, section: usize) -> std::ops::Range<u64> {
        let section = self.sections.get(section).copied().unwrap_or_default();
        section.at..section.at + section.bytes
    }

    /// A section as it was before it was packed.
    pub(super) fn unpack(&self, idx: usize, stored: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let damaged = DecodeError::Section(idx);
        let section = self.sections.get(idx).ok_or(damaged.clone())?;
        if crc32c::crc32c(stored) != section.crc {
            return Err(damaged);
        }
        if !is_packed(idx) {
            return Ok(stored.to_vec());
        }
        let raw = zstd::bulk::decompress(stored, section.raw_bytes as usize)
            .map_err(|_| damaged.clone())?;
        if raw.len() == section.raw_bytes as usize {
            Ok(raw)
        } else {
            Err(damaged)
        }
    }
}

impl Section {
    fn decode(entry: &[u8]) -> Option<Self> {
        let (at, rest) = entry.split_first_chunk()?;
        let (bytes, rest) = rest.split_first_chunk()?;
        let (raw_bytes, rest) = rest.split_first_chunk()?;
        let (crc, _) = rest.split_first_chunk()?;
        Some(Self {
            at: u64::from_le_bytes(*at),
            bytes: u64::from_le_bytes(*bytes),
            raw_bytes: u32::from_le_bytes(*raw_bytes),
            crc: u32::from_le_bytes(*crc),
        })
    }
}
