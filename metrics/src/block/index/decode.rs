//! Decoding the sections of a block: nothing is indexed unchecked, nothing reserved that a limit does not allow.

use bytes::Bytes;

use super::{BlockIndex, Chunk, Times};
use crate::block::DecodeError;
use crate::block::build::{EXEMPLARS_MAX, METADATA_MAX, N_SORTS};
use crate::block::layout::{
    CHUNK_INDEX, CHUNKS, EXEMPLARS, Footer, METADATA, SERIES, SYMBOLS, TIMES,
};
use crate::chunk::bytes::Reader;
use crate::chunk::{ChunkError, POINTS_MAX, ints};
use crate::row::{Exemplar, HELP_BYTES_MAX, Metadata, MetricKind};
use crate::series::Kind;
use crate::symbols::SortedSymbols;

const SYMBOLS_MAX: usize = 64 << 20;
const SYMBOL_BYTES_MAX: usize = 1 << 20;
const SHAPES_MAX: usize = 1 << 20;
const SHAPE_LABELS_MAX: usize = 65_535;
/// Labels of all series.
const LABELS_MAX: u64 = 256 << 20;
const CHUNKS_MAX: usize = 64 << 20;
const EXEMPLAR_LABELS_MAX: usize = 64;

fn column(fields: &mut Reader<'_>, n: usize, section: usize) -> Result<Vec<i64>, DecodeError> {
    ints::decode(fields, n).map_err(|error| DecodeError::Column { section, error })
}

fn narrow<T: TryFrom<i64>>(numbers: Vec<i64>) -> Result<Vec<T>, DecodeError> {
    let all: Result<Vec<T>, _> = numbers.into_iter().map(T::try_from).collect();
    all.map_err(|_| DecodeError::Other("a number in its index is out of range"))
}

impl BlockIndex {
    /// `section` gives the bytes of a section as stored.
    pub(in crate::block) fn decode<'a>(
        footer: &Footer,
        section: impl Fn(usize) -> Result<&'a [u8], DecodeError>,
    ) -> Result<Self, DecodeError> {
        let n_series = footer.n_series as usize;
        let raw = |idx: usize| footer.unpack(idx, section(idx)?);
        let symbols = decode_symbols(&raw(SYMBOLS)?).map_err(|error| DecodeError::Column {
            section: SYMBOLS,
            error,
        })?;
        let mut index = Self {
            symbols,
            shapes: Vec::new(),
            shape_of: Vec::new(),
            kinds: Vec::new(),
            values_at: Vec::new(),
            values: Vec::new(),
            chunks_at: Vec::new(),
            chunks: Vec::new(),
            times: Times::default(),
            page_begins: Vec::new(),
            page_crcs: Vec::new(),
            chunks_range: footer.range(CHUNKS),
        };
        index.decode_series(&raw(SERIES)?, n_series)?;
        let chunk_index = raw(CHUNK_INDEX)?;
        let mut fields = Reader(&chunk_index);
        index.times = Times::decode(&mut fields, raw(TIMES)?)?;
        index.decode_chunks(&mut fields, n_series)?;
        index.decode_pages(&mut fields)?;
        if fields.is_empty() {
            Ok(index)
        } else {
            Err(DecodeError::Other("bytes behind its chunk index"))
        }
    }

    fn decode_series(&mut self, raw: &[u8], n_series: usize) -> Result<(), DecodeError> {
        let damaged = |error| DecodeError::Column {
            section: SERIES,
            error,
        };
        let mut fields = Reader(raw);
        for _ in 0..fields.count(SHAPES_MAX).map_err(damaged)? {
            let mut names = Vec::new();
            for _ in 0..fields.count(SHAPE_LABELS_MAX).map_err(damaged)? {
                names.push(
                    fields
                        .count(self.symbols.len().saturating_sub(1))
                        .map_err(damaged)? as u32,
                );
            }
            self.shapes.push(names);
        }
        self.shape_of = narrow(column(&mut fields, n_series, SERIES)?)?;
        for kind in column(&mut fields, n_series, SERIES)? {
            self.kinds.push(match kind {
                0 => Kind::Samples,
                1 => Kind::Windows,
                _ => return Err(DecodeError::Other("an unknown kind of series")),
            });
        }
        let mut n_of_shape = vec![0usize; self.shapes.len()];
        let mut n_values = 0u64;
        for shape in &self.shape_of {
            let unknown = DecodeError::Other("a series of an unknown shape");
            *n_of_shape.get_mut(*shape as usize).ok_or(unknown)? += 1;
            self.values_at
                .push(u32::try_from(n_values).map_err(|_| DecodeError::Other("too many labels"))?);
            n_values += self.shapes.get(*shape as usize).map_or(0, Vec::len) as u64;
        }
        if n_values > LABELS_MAX {
            return Err(DecodeError::Other("too many labels"));
        }
        let mut columns: Vec<Vec<Vec<u32>>> = Vec::new();
        for (names, n) in self.shapes.iter().zip(&n_of_shape) {
            let mut of_shape = Vec::new();
            for _ in names {
                of_shape.push(narrow(column(&mut fields, *n, SERIES)?)?);
            }
            columns.push(of_shape);
        }
        if !fields.is_empty() {
            return Err(DecodeError::Other("bytes behind its series table"));
        }
        let mut next = vec![0usize; self.shapes.len()];
        for shape in &self.shape_of {
            let Some((row, columns)) = next
                .get_mut(*shape as usize)
                .zip(columns.get(*shape as usize))
            else {
                continue;
            };
            let values = columns.iter().filter_map(|column| column.get(*row));
            self.values.extend(values);
            *row += 1;
        }
        Ok(())
    }

    fn decode_chunks(
        &mut self,
        fields: &mut Reader<'_>,
        n_series: usize,
    ) -> Result<(), DecodeError> {
        let mut all: Vec<(u32, u8, u32, u32)> = Vec::new();
        for sort in 0..N_SORTS as u8 {
            let n = fields
                .count(CHUNKS_MAX)
                .map_err(|error| DecodeError::Column {
                    section: CHUNK_INDEX,
                    error,
                })?;
            let series: Vec<u32> = narrow(column(fields, n, CHUNK_INDEX)?)?;
            let times: Vec<u32> = narrow(column(fields, n, CHUNK_INDEX)?)?;
            let sizes: Vec<u32> = narrow(column(fields, n, CHUNK_INDEX)?)?;
            for ((series, times), size) in series.into_iter().zip(times).zip(sizes) {
                if series as usize >= n_series || times as usize >= self.times.points.len() {
                    return Err(DecodeError::Other("a chunk of an unknown series or time"));
                }
                all.push((series, sort, times, size));
            }
        }
        all.sort_by_key(|(series, sort, ..)| (*series, *sort)); // stable: time by time
        let mut at = 0;
        let mut before = 0u32;
        for (series, sort, times, bytes) in all {
            while before <= series {
                self.chunks_at.push(self.chunks.len() as u32);
                before += 1;
            }
            self.chunks.push(Chunk {
                at,
                bytes,
                times,
                sort,
            });
            at += u64::from(bytes);
        }
        while self.chunks_at.len() <= n_series {
            self.chunks_at.push(self.chunks.len() as u32);
        }
        if at == self.chunks_range.end - self.chunks_range.start {
            Ok(())
        } else {
            Err(DecodeError::Other("its chunks have another length"))
        }
    }

    fn decode_pages(&mut self, fields: &mut Reader<'_>) -> Result<(), DecodeError> {
        let n = fields
            .count(CHUNKS_MAX)
            .map_err(|error| DecodeError::Column {
                section: CHUNK_INDEX,
                error,
            })?;
        let sizes: Vec<u32> = narrow(column(fields, n, CHUNK_INDEX)?)?;
        self.page_crcs = narrow(column(fields, n, CHUNK_INDEX)?)?;
        let mut at = 0;
        for size in sizes {
            self.page_begins.push(at);
            at += u64::from(size);
        }
        self.page_begins.push(at);
        if at == self.chunks_range.end - self.chunks_range.start {
            Ok(())
        } else {
            Err(DecodeError::Other("its pages have another length"))
        }
    }
}

impl Times {
    fn decode(fields: &mut Reader<'_>, bytes: Vec<u8>) -> Result<Self, DecodeError> {
        let n = fields
            .count(bytes.len())
            .map_err(|error| DecodeError::Column {
                section: CHUNK_INDEX,
                error,
            })?;
        let sizes: Vec<u32> = narrow(column(fields, n, CHUNK_INDEX)?)?;
        let points: Vec<u16> = narrow(column(fields, n, CHUNK_INDEX)?)?;
        let firsts = column(fields, n, CHUNK_INDEX)?;
        let spans = column(fields, n, CHUNK_INDEX)?;
        if points.iter().any(|n| usize::from(*n) > POINTS_MAX) {
            return Err(DecodeError::Other("a chunk of too many points"));
        }
        let mut begins = Vec::with_capacity(n + 1);
        let mut at = 0u32;
        for size in sizes {
            begins.push(at);
            at = at
                .checked_add(size)
                .ok_or(DecodeError::Other("its times have another length"))?;
        }
        begins.push(at);
        if at as usize != bytes.len() {
            return Err(DecodeError::Other("its times have another length"));
        }
        let lasts = firsts.iter().zip(spans);
        let lasts = lasts
            .map(|(first, span)| first.wrapping_add(span))
            .collect();
        Ok(Self {
            bytes: Bytes::from(bytes),
            begins,
            points,
            lasts,
            firsts,
        })
    }
}

fn decode_symbols(raw: &[u8]) -> Result<SortedSymbols, ChunkError> {
    let mut fields = Reader(raw);
    let mut symbols = SortedSymbols::default();
    let mut text: Vec<u8> = Vec::new();
    for n in 0..fields.count(SYMBOLS_MAX)? {
        let shared = fields.count(text.len())?;
        let rest = fields.bytes(SYMBOL_BYTES_MAX)?;
        let ascends = n == 0 || text.get(shared..).unwrap_or_default() < rest;
        text.truncate(shared);
        text.extend_from_slice(rest);
        if !ascends || text.len() > SYMBOL_BYTES_MAX {
            return Err(ChunkError("symbols that do not ascend"));
        }
        symbols.push(str::from_utf8(&text).map_err(|_| ChunkError("a symbol is no UTF-8"))?);
    }
    if fields.is_empty() {
        Ok(symbols)
    } else {
        Err(ChunkError("bytes behind the symbols"))
    }
}
pub(in crate::block) fn decode_exemplars(raw: &[u8]) -> Result<Vec<Exemplar<u32>>, DecodeError> {
    let damaged = |error| DecodeError::Column {
        section: EXEMPLARS,
        error,
    };
    let read = || -> Result<Vec<Exemplar<u32>>, ChunkError> {
        let mut fields = Reader(raw);
        let mut all = Vec::new();
        for _ in 0..fields.count(EXEMPLARS_MAX)? {
            let series = fields.count(u32::MAX as usize)? as u32;
            let (unix_ms, value) = (fields.zigzag()?, f64::from_bits(fields.u64()?));
            let mut labels = Vec::new();
            for _ in 0..fields.count(EXEMPLAR_LABELS_MAX)? {
                let name = fields.text(SYMBOL_BYTES_MAX)?.to_owned();
                labels.push((name, fields.text(SYMBOL_BYTES_MAX)?.to_owned()));
            }
            all.push(Exemplar {
                series,
                unix_ms,
                value,
                labels,
            });
        }
        Ok(all)
    };
    read().map_err(damaged)
}

pub(in crate::block) fn decode_metadata(
    raw: &[u8],
) -> Result<Vec<(String, Metadata)>, DecodeError> {
    let damaged = |error| DecodeError::Column {
        section: METADATA,
        error,
    };
    let read = || -> Result<Vec<(String, Metadata)>, ChunkError> {
        let mut fields = Reader(raw);
        let mut all = Vec::new();
        for _ in 0..fields.count(METADATA_MAX)? {
            let metric = fields.text(SYMBOL_BYTES_MAX)?.to_owned();
            let kind = MetricKind::ALL.get(usize::from(fields.u8()?));
            let metadata = Metadata {
                kind: *kind.ok_or(ChunkError("an unknown kind of metric"))?,
                unit: fields.text(SYMBOL_BYTES_MAX)?.to_owned(),
                help: fields.text(HELP_BYTES_MAX)?.to_owned(),
            };
            all.push((metric, metadata));
        }
        Ok(all)
    };
    read().map_err(damaged)
}
