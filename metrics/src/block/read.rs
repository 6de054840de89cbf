//! Reading a block: its index once, then the pages that a selection needs. In: a store's bytes. Out: rows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use blocks::{BlockName, BlockStore, Blocks, BlocksError};
use bytes::Bytes;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::DecodeError;
use super::build::{FLOAT_WINDOWS, FLOATS, HISTOGRAM_WINDOWS, HISTOGRAMS};
use super::index::{BlockIndex, Chunk, decode_exemplars, decode_metadata};
use super::layout::{CHUNKS, EXEMPLARS, FOOTER_BYTES, Footer, METADATA, N_SECTIONS};
use crate::chunk::bytes::Reader;
use crate::chunk::{ChunkError, floats, histograms, ints};
use crate::row::{Exemplar, Metadata, Row};
use crate::{Value, Window};

/// Bytes between two wanted pages that are read along rather than left out.
const GAP_BYTES_MAX: u64 = 64 << 10;
/// Bytes of one read.
const READ_BYTES_MAX: u64 = 8 << 20;

/// Why a block cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    #[error("block {name:?}: {cause}")]
    Decode { name: BlockName, cause: DecodeError },
}

impl ReadError {
    /// The block was deleted since: whoever asks again is told by others.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Blocks(BlocksError::NotFound(_)))
    }

    /// Reading again will not help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Decode { .. } | Self::Blocks(BlocksError::Damaged { .. })
        )
    }
}

/// A block whose index is in memory.
#[derive(Debug)]
pub struct Opened {
    pub name: BlockName,
    footer: Footer,
    pub index: BlockIndex,
}

impl Opened {
    /// Reads and checks the index.
    ///
    /// # Errors
    /// When the store fails, or the block is damaged.
    pub async fn open(blocks: &Blocks, name: &BlockName, size: u64) -> Result<Self, ReadError> {
        let damaged = |cause| ReadError::Decode {
            name: name.clone(),
            cause,
        };
        let footer_at = size
            .checked_sub(FOOTER_BYTES)
            .ok_or_else(|| damaged(DecodeError::Other("it is too short")))?;
        let bytes = blocks.read(name, footer_at..size).await?;
        let footer = Footer::decode(&bytes, size).map_err(damaged)?;
        let mut sections: [Bytes; N_SECTIONS] = Default::default();
        for (idx, section) in sections.iter_mut().enumerate() {
            if !matches!(idx, CHUNKS | EXEMPLARS | METADATA) {
                *section = read_range(blocks, name, footer.range(idx)).await?;
            }
        }
        let decoded = move || {
            let section = |idx: usize| {
                let section = sections.get(idx).ok_or(DecodeError::Section(idx))?;
                Ok(section.as_ref())
            };
            BlockIndex::decode(&footer, section)
        };
        let index = leave_the_loop(decoded).await?.map_err(damaged)?;
        Ok(Self {
            name: name.clone(),
            footer,
            index,
        })
    }

    /// All exemplars, by number of series.
    ///
    /// # Errors
    /// As [`Opened::open`].
    pub async fn exemplars(&self, blocks: &Blocks) -> Result<Vec<Exemplar<u32>>, ReadError> {
        let raw = self.section(blocks, EXEMPLARS).await?;
        decode_exemplars(&raw).map_err(|cause| self.damaged(cause))
    }

    /// What its metrics are, by name.
    ///
    /// # Errors
    /// As [`Opened::open`].
    pub async fn metadata(&self, blocks: &Blocks) -> Result<Vec<(String, Metadata)>, ReadError> {
        let raw = self.section(blocks, METADATA).await?;
        decode_metadata(&raw).map_err(|cause| self.damaged(cause))
    }

    async fn section(&self, blocks: &Blocks, idx: usize) -> Result<Vec<u8>, ReadError> {
        let stored = read_range(blocks, &self.name, self.footer.range(idx)).await?;
        let raw = self.footer.unpack(idx, &stored);
        raw.map_err(|cause| self.damaged(cause))
    }

    fn damaged(&self, cause: DecodeError) -> ReadError {
        ReadError::Decode {
            name: self.name.clone(),
            cause,
        }
    }

    /// Reads the pages that have the chunks of `series` (ascending) in (from, to].
    ///
    /// # Errors
    /// When the store fails, or a page is damaged.
    pub async fn fetch(
        &self,
        blocks: &Blocks,
        series: &[u32],
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> Result<Pages, ReadError> {
        let mut wanted: Vec<usize> = series
            .iter()
            .flat_map(|series| self.index.chunks_in(*series, from_unix_ms, to_unix_ms))
            .map(|chunk| self.index.page_of(chunk.at))
            .collect();
        wanted.dedup();
        let section = self.index.chunks_range();
        let mut pages = Pages::default();
        for run in self.runs(&wanted) {
            let range = section.start + run.start..section.start + run.end;
            let bytes = read_range(blocks, &self.name, range).await?;
            pages.runs.insert(run.start, bytes);
        }
        self.check(&wanted, &pages)?;
        Ok(pages)
    }

    /// Ranges of the section that have all wanted pages, and little else.
    fn runs(&self, wanted: &[usize]) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for (page, _) in wanted.iter().filter_map(|page| self.index.page(*page)) {
            match runs.last_mut() {
                Some(run)
                    if page.start <= run.end + GAP_BYTES_MAX
                        && page.end <= run.start + READ_BYTES_MAX =>
                {
                    run.end = page.end;
                }
                _ => runs.push(page),
            }
        }
        runs
    }

    fn check(&self, wanted: &[usize], pages: &Pages) -> Result<(), ReadError> {
        for page in wanted {
            let page = self.index.page(*page);
            let whole = page.and_then(|(range, crc)| Some((pages.get(range)?, crc)));
            if whole.is_none_or(|(bytes, crc)| crc32c::crc32c(bytes) != crc) {
                return Err(self.damaged(DecodeError::Section(CHUNKS)));
            }
        }
        Ok(())
    }

    /// The rows of `series` in (from, to], from pages that were fetched for them. Series without points there are left out.
    ///
    /// # Errors
    /// When a chunk is damaged.
    pub fn rows(
        &self,
        pages: &Pages,
        series: &[u32],
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> Result<Vec<(u32, Row)>, ReadError> {
        let mut times = HashMap::new();
        let mut rows = Vec::with_capacity(series.len());
        for series in series {
            let mut row = Row::new(self.index.kind(*series));
            let mut n_sorts_of_windows = 0;
            for chunk in self.index.chunks_in(*series, from_unix_ms, to_unix_ms) {
                let range = (from_unix_ms, to_unix_ms);
                let read = self.read_chunk(pages, chunk, range, &mut times, &mut row);
                read.map_err(|error| {
                    self.damaged(DecodeError::Column {
                        section: CHUNKS,
                        error,
                    })
                })?;
                n_sorts_of_windows |= 1 << chunk.sort;
            }
            if n_sorts_of_windows == (1 << FLOAT_WINDOWS | 1 << HISTOGRAM_WINDOWS) {
                row.windows
                    .sort_by_key(|w| (w.end_unix_ms, w.start_unix_ms));
            }
            if row.n_points() > 0 {
                rows.push((*series, row));
            }
        }
        Ok(rows)
    }

    fn read_chunk(
        &self,
        pages: &Pages,
        chunk: &Chunk,
        (from_unix_ms, to_unix_ms): (i64, i64),
        times: &mut HashMap<u32, Arc<[i64]>>,
        row: &mut Row,
    ) -> Result<(), ChunkError> {
        let range = chunk.at..chunk.at + u64::from(chunk.bytes);
        let bytes = pages
            .get(range)
            .ok_or(ChunkError("its page was not read"))?;
        let times = match times.entry(chunk.times) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(new) => {
                let times = self.index.times(chunk.times)?;
                Arc::clone(new.insert(times.into()))
            }
        };
        let n = times.len();
        // they ascend
        let first = times.partition_point(|at| *at <= from_unix_ms);
        let last = times.partition_point(|at| *at <= to_unix_ms);
        let inside = times.get(first..last).unwrap_or_default();
        let mut fields = Reader(bytes);
        match usize::from(chunk.sort) {
            FLOATS => {
                let values = floats::decode(&mut fields, n)?;
                let values = values.get(first..last).unwrap_or_default();
                let points = inside.iter().zip(values);
                row.floats.extend(points.map(|(at, value)| (*at, *value)));
            }
            HISTOGRAMS => {
                let values = histograms::decode(&mut fields, n)?;
                let values = values.into_iter().skip(first);
                row.histograms.extend(inside.iter().copied().zip(values));
            }
            sort => {
                let lengths = ints::decode(&mut fields, n)?;
                let values: Vec<Value> = if sort == FLOAT_WINDOWS {
                    let values = floats::decode(&mut fields, n)?;
                    values.into_iter().map(Value::Float).collect()
                } else {
                    let values = histograms::decode(&mut fields, n)?;
                    values.into_iter().map(Value::Histogram).collect()
                };
                let behind = lengths.into_iter().zip(values).skip(first);
                let windows = inside.iter().zip(behind);
                row.windows
                    .extend(windows.map(|(end, (length, value))| Window {
                        start_unix_ms: end.wrapping_sub(length),
                        end_unix_ms: *end,
                        value,
                    }));
            }
        }
        Ok(())
    }
}

/// Bytes of the chunks' section that were read, by where they begin.
#[derive(Debug, Default)]
pub struct Pages {
    runs: BTreeMap<u64, Bytes>,
}

impl Pages {
    fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        let (begin, bytes) = self.runs.range(..=range.start).next_back()?;
        let start = usize::try_from(range.start - begin).ok()?;
        let end = usize::try_from(range.end - begin).ok()?;
        bytes.get(start..end)
    }
}

async fn read_range(
    blocks: &Blocks,
    name: &BlockName,
    range: Range<u64>,
) -> Result<Bytes, BlocksError> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    blocks.read(name, range).await
}

/// Does work that takes longer than an async thread may be kept.
pub(crate) async fn leave_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlocksError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| BlocksError::Unavailable(Box::new(error)))
}
