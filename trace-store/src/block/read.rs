//! Blocks opened for reading, as much of them as is wanted, and kept in memory within a bound.

use std::sync::{Arc, OnceLock};

use blocks::{BlockName, BlockStore, Blocks, BlocksError};
use bytes::Bytes;
use moka::sync::Cache;
use zstd::bulk::Decompressor;
use zstd::dict::DecoderDictionary;

use super::dictionary;
use super::filter_bits;
use super::index::{Bounds, Index, Row};
use super::input::DecodeError;
use super::layout::{FOOTER_BYTES, Footer, Section};
use super::names::Names;

/// Spans that are decompressed where they are wanted: some 200 µs of work.
const UNPACK_BYTES_MAX: u32 = 256 << 10;

/// Why a block, or a trace in it, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    #[error("block {name:?}: {cause}")]
    Decode { name: BlockName, cause: DecodeError },
    #[error("a task of the store stopped: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl ReadError {
    /// The block's bytes are wrong, and will be so the next time.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Decode { .. } | Self::Blocks(BlocksError::Damaged { .. })
        )
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Blocks(BlocksError::NotFound(_)))
    }
}

/// The light part of a block: whether a trace may be in it, and which names are.
pub(crate) struct Gist {
    footer: Footer,
    pub(crate) names: Arc<Names>,
    id_filter: Vec<u8>,
}

impl Gist {
    /// Whether the trace with this hash of its id may be in it.
    pub(crate) fn may_have(&self, id_hash: u64) -> bool {
        filter_bits::may_have(&self.id_filter, id_hash)
    }

    fn memory_bytes(&self) -> usize {
        512 + self.id_filter.len() + self.names.memory_bytes()
    }
}

/// A block with everything but its frames in memory.
pub(crate) struct Opened {
    pub(crate) name: BlockName,
    frames_at: u64,
    pub(crate) names: Arc<Names>,
    pub(crate) index: Index,
    tag_filters: Bytes,
    dictionaries: Vec<Dictionary>,
}

/// A dictionary, prepared for decompression when it is first used.
struct Dictionary {
    bytes: Bytes,
    prepared: OnceLock<Option<DecoderDictionary<'static>>>,
}

impl Dictionary {
    fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            prepared: OnceLock::new(),
        }
    }

    fn prepared(&self) -> Result<&DecoderDictionary<'static>, DecodeError> {
        let prepared = self
            .prepared
            .get_or_init(|| DecoderDictionary::try_copy(&self.bytes).ok());
        prepared
            .as_ref()
            .ok_or(DecodeError("a dictionary cannot be used"))
    }
}

impl Opened {
    pub(crate) fn may_have_tag(&self, row: &Row, hash: u64) -> bool {
        filter_bits::may_have(self.filter_of(row), hash)
    }

    fn filter_range(row: &Row) -> std::ops::Range<usize> {
        let begin = row.filter_at as usize;
        begin..begin + row.filter_bytes as usize
    }

    fn filter_of(&self, row: &Row) -> &[u8] {
        self.tag_filters
            .get(Self::filter_range(row))
            .unwrap_or_default()
    }

    /// The tag filter of a row, sharing the memory of the block's.
    pub(crate) fn shared_filter_of(&self, row: &Row) -> Bytes {
        let range = Self::filter_range(row);
        if range.end <= self.tag_filters.len() {
            self.tag_filters.slice(range)
        } else {
            Bytes::new()
        }
    }

    pub(crate) fn dictionary_of(&self, row: &Row) -> Option<&Bytes> {
        Some(&self.dictionaries.get(row.dictionary? as usize)?.bytes)
    }

    /// Where in the body the spans of a row are.
    pub(crate) fn frame_range(&self, row: &Row) -> std::ops::Range<u64> {
        let begin = self.frames_at + row.frame_at;
        begin..begin + u64::from(row.frame_bytes)
    }

    /// The spans of a row out of its frame.
    pub(crate) fn unpack(&self, row: &Row, frame: &[u8]) -> Result<Bytes, DecodeError> {
        if crc32c::crc32c(frame) != row.frame_crc {
            return Err(DecodeError("a frame's checksum differs"));
        }
        let dictionary = row
            .dictionary
            .and_then(|idx| self.dictionaries.get(idx as usize));
        let decompressor = match dictionary {
            Some(dictionary) => Decompressor::with_prepared_dictionary(dictionary.prepared()?),
            None => Decompressor::new(),
        };
        let unpacked =
            decompressor.and_then(|mut frames| frames.decompress(frame, row.raw_bytes as usize));
        let raw = unpacked.map_err(|_| DecodeError("a frame does not decompress"))?;
        if raw.len() == row.raw_bytes as usize {
            Ok(raw.into())
        } else {
            Err(DecodeError("a frame's length differs"))
        }
    }

    fn memory_bytes(&self) -> usize {
        let dictionaries: usize = self
            .dictionaries
            .iter()
            .map(|dictionary| 2 * dictionary.bytes.len())
            .sum();
        512 + self.names.memory_bytes()
            + self.index.memory_bytes()
            + self.tag_filters.len()
            + dictionaries
    }
}

/// Opens blocks. Cheap to clone; every clone shares the same memory.
#[derive(Clone)]
pub(crate) struct Reader {
    blocks: Blocks,
    gists: Cache<BlockName, Arc<Gist>>,
    opened: Cache<BlockName, Arc<Opened>>,
}

impl Reader {
    /// With at most `cache_bytes_max` of memory for opened blocks.
    pub(crate) fn new(blocks: Blocks, cache_bytes_max: u64) -> Self {
        let weight = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let gists = Cache::builder()
            .max_capacity(cache_bytes_max / 4)
            .weigher(move |_, gist: &Arc<Gist>| weight(gist.memory_bytes()))
            .build();
        let opened = Cache::builder()
            .max_capacity(cache_bytes_max / 4 * 3)
            .weigher(move |_, opened: &Arc<Opened>| weight(opened.memory_bytes()))
            .build();
        Self {
            blocks,
            gists,
            opened,
        }
    }

    pub(crate) fn forget(&self, name: &BlockName) {
        self.gists.invalidate(name);
        self.opened.invalidate(name);
    }

    pub(crate) async fn gist(
        &self,
        name: &BlockName,
        size_bytes: u64,
    ) -> Result<Arc<Gist>, ReadError> {
        if let Some(gist) = self.gists.get(name) {
            return Ok(gist);
        }
        let begin = size_bytes
            .checked_sub(FOOTER_BYTES)
            .ok_or_else(|| decode_error(name, DecodeError("shorter than a footer")))?;
        let footer = self.blocks.read(name, begin..size_bytes).await?;
        let footer =
            Footer::decode(&footer, size_bytes).map_err(|cause| decode_error(name, cause))?;
        let names = self
            .blocks
            .read(name, footer.place(Section::Names).range())
            .await?;
        let id_filter = self
            .blocks
            .read(name, footer.place(Section::IdFilter).range())
            .await?;
        let decode = move || {
            let names = Arc::new(Names::decode(&footer.open(Section::Names, &names)?)?);
            let id_filter = footer.open(Section::IdFilter, &id_filter)?;
            Ok(Gist {
                footer,
                names,
                id_filter,
            })
        };
        let gist = Arc::new(decode().map_err(|cause| decode_error(name, cause))?);
        self.gists.insert(name.clone(), Arc::clone(&gist));
        Ok(gist)
    }

    pub(crate) async fn open(
        &self,
        name: &BlockName,
        size_bytes: u64,
    ) -> Result<Arc<Opened>, ReadError> {
        if let Some(opened) = self.opened.get(name) {
            return Ok(opened);
        }
        let gist = self.gist(name, size_bytes).await?;
        let read = |section| self.blocks.read(name, gist.footer.place(section).range());
        let stored = Stored {
            index: read(Section::Index).await?,
            dictionaries: read(Section::Dictionaries).await?,
            tag_filters: read(Section::TagFilters).await?,
        };
        let opening = name.clone();
        let opened = tokio::task::spawn_blocking(move || {
            opened(opening, &gist.footer, Arc::clone(&gist.names), &stored)
        })
        .await?;
        let opened = Arc::new(opened.map_err(|cause| decode_error(name, cause))?);
        self.opened.insert(name.clone(), Arc::clone(&opened));
        Ok(opened)
    }

    /// The spans of a row: OTLP `TracesData`. Long ones are decompressed apart from the async threads.
    pub(crate) async fn spans(&self, opened: &Arc<Opened>, row: &Row) -> Result<Bytes, ReadError> {
        let frame = self
            .blocks
            .read(&opened.name, opened.frame_range(row))
            .await?;
        let unpacked = if row.raw_bytes > UNPACK_BYTES_MAX {
            let (opened, row) = (Arc::clone(opened), *row);
            tokio::task::spawn_blocking(move || opened.unpack(&row, &frame)).await?
        } else {
            opened.unpack(row, &frame)
        };
        unpacked.map_err(|cause| decode_error(&opened.name, cause))
    }

    /// A whole block, and its body.
    pub(crate) async fn whole(
        &self,
        name: &BlockName,
        size_bytes: u64,
    ) -> Result<(Opened, Bytes), ReadError> {
        let body = self.blocks.read(name, 0..size_bytes).await?;
        let opening = (name.clone(), body.clone());
        let opened = tokio::task::spawn_blocking(move || open_body(opening.0, &opening.1)).await?;
        Ok((opened.map_err(|cause| decode_error(name, cause))?, body))
    }
}

struct Stored {
    index: Bytes,
    dictionaries: Bytes,
    tag_filters: Bytes,
}

fn decode_error(name: &BlockName, cause: DecodeError) -> ReadError {
    ReadError::Decode {
        name: name.clone(),
        cause,
    }
}

/// What a block says that was looked through from end to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockFacts {
    pub n_rows: usize,
    pub n_spans: u64,
    /// Bytes of all spans, decompressed.
    pub raw_bytes: u64,
}

/// Looks through the body of a block: every section, every frame. Any bytes may be given.
///
/// # Errors
/// The first thing that is wrong.
pub fn inspect_block(body: &Bytes) -> Result<BlockFacts, DecodeError> {
    let name = BlockName {
        kind: blocks::BlockKind::Traces,
        tenant: telemetry::Tenant::default_tenant(),
        id: String::new(),
    };
    let opened = open_body(name, body)?;
    let mut facts = BlockFacts {
        n_rows: opened.index.rows().len(),
        n_spans: 0,
        raw_bytes: 0,
    };
    for row in opened.index.rows() {
        let range = opened.frame_range(row);
        let frame = body
            .get(range.start as usize..range.end as usize)
            .ok_or(DecodeError("a frame lies outside the block"))?;
        facts.raw_bytes += opened.unpack(row, frame)?.len() as u64;
        facts.n_spans += u64::from(row.n_spans);
    }
    Ok(facts)
}

/// Opens a body that is in memory. Never panics, whatever the bytes.
pub(crate) fn open_body(name: BlockName, body: &Bytes) -> Result<Opened, DecodeError> {
    let footer_at = body
        .len()
        .checked_sub(FOOTER_BYTES as usize)
        .ok_or(DecodeError("shorter than a footer"))?;
    let footer = Footer::decode(body.get(footer_at..).unwrap_or_default(), body.len() as u64)?;
    let stored = |section| {
        let range = footer.place(section).range();
        body.slice(range.start as usize..range.end as usize)
    };
    let names = Arc::new(Names::decode(
        &footer.open(Section::Names, &stored(Section::Names))?,
    )?);
    let rest = Stored {
        index: stored(Section::Index),
        dictionaries: stored(Section::Dictionaries),
        tag_filters: stored(Section::TagFilters),
    };
    opened(name, &footer, names, &rest)
}

fn opened(
    name: BlockName,
    footer: &Footer,
    names: Arc<Names>,
    stored: &Stored,
) -> Result<Opened, DecodeError> {
    let dictionaries =
        dictionary::decode(&footer.open(Section::Dictionaries, &stored.dictionaries)?)?;
    let dictionaries: Vec<Dictionary> = dictionaries.into_iter().map(Dictionary::new).collect();
    let tag_filters = Bytes::from(footer.open(Section::TagFilters, &stored.tag_filters)?);
    let bounds = Bounds {
        n_strings: names.n_strings(),
        n_operations: names.operations().len() as u32,
        n_dictionaries: dictionaries.len() as u32,
        frames_bytes: footer.place(Section::Frames).bytes,
        filters_bytes: tag_filters.len() as u64,
    };
    let index = Index::decode(
        &footer.open(Section::Index, &stored.index)?,
        footer.n_rows,
        &bounds,
    )?;
    Ok(Opened {
        name,
        frames_at: footer.place(Section::Frames).at,
        names,
        index,
        tag_filters,
        dictionaries,
    })
}
