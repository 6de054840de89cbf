//! Where the sections of a block lie. The layout is docs/formats/trace-epoch-block.md.

use std::ops::Range;

use super::input::{DecodeError, Input};

/// Most rows of a block.
pub(crate) const ROWS_MAX: u32 = 1 << 22;
/// Longest spans of one row, in bytes before compression.
pub(crate) const ROW_RAW_BYTES_MAX: u64 = 128 << 20;

const MAGIC: &[u8; 8] = b"TWTRACE\x01";
/// Length of what ends every body.
pub(crate) const FOOTER_BYTES: u64 = 208;

/// A section of a block, in the order in which they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Dictionaries,
    Frames,
    Names,
    Index,
    TagFilters,
    IdFilter,
}

impl Section {
    pub(crate) const ALL: [Self; 6] = [
        Self::Dictionaries,
        Self::Frames,
        Self::Names,
        Self::Index,
        Self::TagFilters,
        Self::IdFilter,
    ];

    /// How many bytes it may have, stored and decompressed.
    fn bytes_max(self) -> u64 {
        match self {
            Self::Dictionaries | Self::Names => 64 << 20,
            Self::Frames => 1 << 30,
            Self::Index => 512 << 20,
            Self::TagFilters => 256 << 20,
            Self::IdFilter => 16 << 20,
        }
    }

    fn is_compressed(self) -> bool {
        matches!(self, Self::Dictionaries | Self::Names | Self::Index)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    raw_bytes: u64,
    crc: u32,
}

impl Place {
    pub(crate) fn range(&self) -> Range<u64> {
        self.at..self.at + self.bytes
    }
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    places: [Place; 6],
    pub(crate) n_rows: u32,
}

impl Footer {
    pub(crate) fn place(&self, section: Section) -> Place {
        let [dictionaries, frames, names, index, tag_filters, id_filter] = self.places;
        match section {
            Section::Dictionaries => dictionaries,
            Section::Frames => frames,
            Section::Names => names,
            Section::Index => index,
            Section::TagFilters => tag_filters,
            Section::IdFilter => id_filter,
        }
    }

    /// Reads the last [`FOOTER_BYTES`] of a body of `body_bytes`.
    pub(crate) fn decode(bytes: &[u8], body_bytes: u64) -> Result<Self, DecodeError> {
        let mut input = Input(bytes);
        let table = input.take(192)?;
        let crc = input.u32()?;
        let n_rows = input.u32()?;
        if input.0 != MAGIC {
            return Err(DecodeError("magic or version differs"));
        }
        if crc != crc32c::crc32c(table) {
            return Err(DecodeError("the section table's checksum differs"));
        }
        if n_rows > ROWS_MAX {
            return Err(DecodeError("too many rows"));
        }
        let mut input = Input(table);
        let mut places = [Place::default(); 6];
        let mut begin = MAGIC.len() as u64;
        for (place, section) in places.iter_mut().zip(Section::ALL) {
            *place = Place {
                at: input.u64()?,
                bytes: input.u64()?,
                raw_bytes: input.u64()?,
                crc: input.u32()?,
            };
            input.u32()?;
            let bytes_max = section.bytes_max();
            if place.at != begin || place.bytes > bytes_max || place.raw_bytes > bytes_max {
                return Err(DecodeError("a section is misplaced or over its limit"));
            }
            begin += place.bytes;
        }
        if begin + FOOTER_BYTES != body_bytes {
            return Err(DecodeError("the sections are not the body"));
        }
        Ok(Self { places, n_rows })
    }

    /// Checks and decompresses what was read of a section.
    pub(crate) fn open(&self, section: Section, stored: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let place = self.place(section);
        if stored.len() as u64 != place.bytes || crc32c::crc32c(stored) != place.crc {
            return Err(DecodeError("a section's checksum differs"));
        }
        if !section.is_compressed() {
            return Ok(stored.to_vec());
        }
        let raw = zstd::bulk::decompress(stored, place.raw_bytes as usize)
            .map_err(|_| DecodeError("a section does not decompress"))?;
        if raw.len() as u64 == place.raw_bytes {
            Ok(raw)
        } else {
            Err(DecodeError("a section's length differs"))
        }
    }
}

/// Puts sections together into a body.
pub(crate) struct BodyWriter {
    body: Vec<u8>,
    table: Vec<u8>,
}

impl BodyWriter {
    pub(crate) fn new() -> Self {
        Self {
            body: MAGIC.to_vec(),
            table: Vec::with_capacity(192),
        }
    }

    /// Appends the next section, in the order of [`Section::ALL`].
    pub(crate) fn append(&mut self, section: Section, raw: &[u8]) -> Result<(), DecodeError> {
        if raw.len() as u64 > section.bytes_max() {
            return Err(DecodeError("a section is over its limit"));
        }
        let at = self.body.len();
        if section.is_compressed() {
            let stored = zstd::bulk::compress(raw, 3)
                .map_err(|_| DecodeError("a section does not compress"))?;
            self.body.extend(stored);
        } else {
            self.body.extend(raw);
        }
        let stored = self.body.get(at..).unwrap_or_default();
        let crc = if section == Section::Frames {
            0
        } else {
            crc32c::crc32c(stored)
        };
        self.table.extend((at as u64).to_le_bytes());
        self.table.extend((stored.len() as u64).to_le_bytes());
        self.table.extend((raw.len() as u64).to_le_bytes());
        self.table.extend(crc.to_le_bytes());
        self.table.extend([0; 4]);
        Ok(())
    }

    pub(crate) fn finish(mut self, n_rows: u32) -> Vec<u8> {
        let crc = crc32c::crc32c(&self.table);
        self.body.append(&mut self.table);
        self.body.extend(crc.to_le_bytes());
        self.body.extend(n_rows.to_le_bytes());
        self.body.extend(MAGIC);
        self.body
    }
}
