//! The index of an opened block: symbols, series, where chunks lie. In: the sections but the chunks. Out: which series matchers mean, and what to read.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use super::DecodeError;
use super::build::{EXEMPLARS_MAX, METADATA_MAX, N_SORTS};
use super::layout::{CHUNK_INDEX, CHUNKS, EXEMPLARS, Footer, METADATA, SERIES, SYMBOLS, TIMES};
use crate::chunk::bytes::Reader;
use crate::chunk::{ChunkError, POINTS_MAX, ints};
use crate::labels::NAME;
use crate::matching::SymbolMatcher;
use crate::row::{Exemplar, HELP_BYTES_MAX, Metadata, MetricKind};
use crate::select::text_key;
use crate::series::Kind;
use crate::symbols::SortedSymbols;
use crate::{Labels, MatchOp, Matcher};

const SYMBOLS_MAX: usize = 64 << 20;
const SYMBOL_BYTES_MAX: usize = 1 << 20;
const SHAPES_MAX: usize = 1 << 20;
const SHAPE_LABELS_MAX: usize = 65_535;
/// Labels of all series.
const LABELS_MAX: u64 = 256 << 20;
const CHUNKS_MAX: usize = 64 << 20;
const EXEMPLAR_LABELS_MAX: usize = 64;

/// An opened block without its chunks.
#[derive(Debug)]
pub struct BlockIndex {
    symbols: SortedSymbols,
    shapes: Vec<Vec<u32>>,
    shape_of: Vec<u32>,
    kinds: Vec<Kind>,
    /// Where a series' values begin in `values`.
    values_at: Vec<u32>,
    values: Vec<u32>,
    /// Where a series' chunks begin in `chunks`; one more at the end.
    chunks_at: Vec<u32>,
    chunks: Vec<Chunk>,
    times: Times,
    /// Where pages begin in the section, and their checksums; one more begin at the end.
    page_begins: Vec<u64>,
    page_crcs: Vec<u32>,
    chunks_range: Range<u64>,
}

/// Where a chunk lies, and when.
#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    /// In the section.
    pub at: u64,
    pub bytes: u32,
    pub(super) times: u32,
    pub(super) sort: u8,
}

#[derive(Debug, Default)]
struct Times {
    bytes: Bytes,
    begins: Vec<u32>,
    points: Vec<u16>,
    firsts: Vec<i64>,
    lasts: Vec<i64>,
}

fn column(fields: &mut Reader<'_>, n: usize, section: usize) -> Result<Vec<i64>, DecodeError> {
    ints::decode(fields, n).map_err(|error| DecodeError::Column { section, error })
}

fn narrow<T: TryFrom<i64>>(numbers: Vec<i64>) -> Result<Vec<T>, DecodeError> {
    let all: Result<Vec<T>, _> = numbers.into_iter().map(T::try_from).collect();
    all.map_err(|_| DecodeError::Other("a number in its index is out of range"))
}

impl BlockIndex {
    /// `section` gives the bytes of a section as stored.
    pub(super) fn decode<'a>(
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

    /// Memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let series = self.shape_of.len() * (4 + 1 + 4 + 4) + self.values.len() * 4;
        let times = self.times.bytes.len() + self.times.points.len() * 22;
        let chunks = self.chunks.len() * size_of::<Chunk>() + self.page_crcs.len() * 12;
        self.symbols.bytes() + series + times + chunks + size_of::<Self>()
    }

    #[must_use]
    pub fn n_series(&self) -> usize {
        self.shape_of.len()
    }

    #[must_use]
    pub fn kind(&self, series: u32) -> Kind {
        let kind = self.kinds.get(series as usize);
        kind.copied().unwrap_or(Kind::Samples)
    }

    fn names_of(&self, series: u32) -> &[u32] {
        let shape = self.shape_of.get(series as usize);
        let names = shape.and_then(|shape| self.shapes.get(*shape as usize));
        names.map_or(&[], Vec::as_slice)
    }

    fn values_of(&self, series: u32) -> &[u32] {
        let at = self
            .values_at
            .get(series as usize)
            .copied()
            .unwrap_or_default() as usize;
        let n = self.names_of(series).len();
        self.values.get(at..at + n).unwrap_or_default()
    }

    /// Names and values, sorted by name.
    pub fn labels(&self, series: u32) -> impl Iterator<Item = (&str, &str)> + Clone {
        let pairs = self.names_of(series).iter().zip(self.values_of(series));
        pairs.map(|(name, value)| (self.symbols.get(*name), self.symbols.get(*value)))
    }

    #[must_use]
    pub fn owned_labels(&self, series: u32) -> Labels {
        Labels::new(self.labels(series))
    }

    /// Keys of its texts.
    #[must_use]
    pub fn text_keys(&self) -> TextKeys<'_> {
        TextKeys {
            index: self,
            known: HashMap::default(),
        }
    }

    /// Its texts, to be shared by many labels.
    #[must_use]
    pub fn owned_texts(&self) -> OwnedTexts<'_> {
        OwnedTexts {
            index: self,
            known: HashMap::default(),
        }
    }

    /// The value of a label; none sorts first.
    fn value_of(&self, series: u32, name: u32) -> Option<u32> {
        let place = self.names_of(series).iter().position(|at| *at == name)?;
        self.values_of(series).get(place).copied()
    }

    /// Series of one metric: they lie together.
    fn range_of(&self, metric: &str) -> Range<u32> {
        let (Some(name), Some(value)) = (self.symbols.find(NAME), self.symbols.find(metric)) else {
            return 0..0;
        };
        let first_not = |below: &dyn Fn(Option<u32>) -> bool| {
            let (mut low, mut high) = (0, self.n_series() as u32);
            while low < high {
                let middle = low + (high - low) / 2;
                if below(self.value_of(middle, name)) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        first_not(&|at| at < Some(value))..first_not(&|at| at <= Some(value))
    }

    /// Series that all matchers agree with, ascending.
    #[must_use]
    pub fn select(&self, matchers: &[Matcher]) -> Vec<u32> {
        let metric = matchers
            .iter()
            .find(|m| m.name == NAME && matches!(m.op, MatchOp::Equal) && !m.value.is_empty());
        let range = metric.map_or(0..self.n_series() as u32, |m| self.range_of(&m.value));
        if range.is_empty() {
            return Vec::new();
        }
        // the range has said all of the metric's name
        let is_said =
            |matcher: &&Matcher| metric.is_some_and(|metric| std::ptr::eq(metric, *matcher));
        let mut asked: Vec<SymbolMatcher<'_>> = matchers
            .iter()
            .filter(|matcher| !is_said(matcher))
            .map(|matcher| SymbolMatcher::new(matcher, &self.symbols))
            .collect();
        // where each matcher's label stands in each shape
        let places: Vec<Vec<Option<usize>>> = self
            .shapes
            .iter()
            .map(|names| {
                let place = |m: &SymbolMatcher<'_>| names.iter().position(|at| Some(*at) == m.name);
                asked.iter().map(place).collect()
            })
            .collect();
        range
            .filter(|series| {
                let shape = self
                    .shape_of
                    .get(*series as usize)
                    .copied()
                    .unwrap_or_default();
                let Some(places) = places.get(shape as usize) else {
                    return false;
                };
                let values = self.values_of(*series);
                asked.iter_mut().zip(places).all(|(matcher, place)| {
                    match place.and_then(|place| values.get(place)) {
                        Some(value) => matcher.matches(*value, &self.symbols),
                        None => matcher.absent,
                    }
                })
            })
            .collect()
    }

    /// Names of labels that any of these series has.
    #[must_use]
    pub fn names_among(&self, series: &[u32]) -> Vec<&str> {
        let mut seen = vec![false; self.shapes.len()];
        for series in series {
            let shape = self.shape_of.get(*series as usize);
            if let Some(seen) = shape.and_then(|shape| seen.get_mut(*shape as usize)) {
                *seen = true;
            }
        }
        let shapes = self.shapes.iter().zip(seen).filter(|(_, seen)| *seen);
        let mut names: Vec<u32> = shapes.flat_map(|(names, _)| names).copied().collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .map(|name| self.symbols.get(name))
            .collect()
    }

    /// Values of a label that any of these series has, in order.
    #[must_use]
    pub fn values_among(&self, name: &str, series: &[u32]) -> Vec<&str> {
        let Some(name) = self.symbols.find(name) else {
            return Vec::new();
        };
        let values = series
            .iter()
            .filter_map(|series| self.value_of(*series, name));
        let mut values: Vec<u32> = values.collect();
        values.sort_unstable();
        values.dedup();
        values
            .into_iter()
            .map(|value| self.symbols.get(value))
            .collect()
    }

    /// Chunks of a series that have points in (from, to].
    pub fn chunks_in(
        &self,
        series: u32,
        from_unix_ms: i64,
        to_unix_ms: i64,
    ) -> impl Iterator<Item = &Chunk> {
        let at = |idx: usize| self.chunks_at.get(idx).copied().unwrap_or_default() as usize;
        let range = at(series as usize)..at(series as usize + 1);
        let chunks = self.chunks.get(range).unwrap_or_default();
        chunks.iter().filter(move |chunk| {
            let (first, last) = self.times.range(chunk.times);
            from_unix_ms < last && first <= to_unix_ms
        })
    }

    /// Points of a chunk.
    #[must_use]
    pub fn n_points(&self, chunk: &Chunk) -> usize {
        let points = self.times.points.get(chunk.times as usize);
        points.copied().map_or(0, usize::from)
    }

    /// Number of time columns.
    pub(super) fn n_times(&self) -> usize {
        self.times.points.len()
    }

    /// The times of a column.
    pub(super) fn times(&self, column: u32) -> Result<Vec<i64>, ChunkError> {
        self.times.read(column)
    }

    /// The page that has a byte of the section.
    pub(super) fn page_of(&self, at: u64) -> usize {
        self.page_begins
            .partition_point(|begin| *begin <= at)
            .saturating_sub(1)
    }

    /// A page's place in the section, and its checksum.
    pub(super) fn page(&self, page: usize) -> Option<(Range<u64>, u32)> {
        let (begin, end) = (self.page_begins.get(page)?, self.page_begins.get(page + 1)?);
        Some((*begin..*end, *self.page_crcs.get(page)?))
    }

    /// Where the section of chunks lies in the body.
    pub(super) fn chunks_range(&self) -> Range<u64> {
        self.chunks_range.clone()
    }
}

/// What each distinct text contributes to a key of labels, worked out when first wanted.
pub struct TextKeys<'a> {
    index: &'a BlockIndex,
    known: HashMap<u32, u128>,
}

impl TextKeys<'_> {
    /// Keys of (name, value) of a series.
    pub fn of_series(&mut self, series: u32) -> impl Iterator<Item = (u128, u128)> {
        let Self { index, known } = self;
        let mut key = |symbol: u32| {
            let known = known.entry(symbol);
            *known.or_insert_with(|| text_key(index.symbols.get(symbol)))
        };
        let pairs = index.names_of(series).iter().zip(index.values_of(series));
        pairs.map(move |(name, value)| (key(*name), key(*value)))
    }
}

/// Texts as labels hold them, each made once.
pub struct OwnedTexts<'a> {
    index: &'a BlockIndex,
    known: HashMap<u32, Arc<str>>,
}

impl OwnedTexts<'_> {
    /// The labels of a series.
    pub fn labels(&mut self, series: u32) -> Labels {
        let Self { index, known } = self;
        let mut text = |symbol: u32| {
            let make = || Arc::from(index.symbols.get(symbol));
            Arc::clone(known.entry(symbol).or_insert_with(make))
        };
        let pairs = index.names_of(series).iter().zip(index.values_of(series));
        Labels::new(pairs.map(|(name, value)| (text(*name), text(*value))))
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

    fn range(&self, column: u32) -> (i64, i64) {
        let idx = column as usize;
        let first = self.firsts.get(idx).copied().unwrap_or_default();
        (first, self.lasts.get(idx).copied().unwrap_or_default())
    }

    fn read(&self, column: u32) -> Result<Vec<i64>, ChunkError> {
        let unknown = ChunkError("an unknown column of times");
        let idx = column as usize;
        let begin = self.begins.get(idx).copied().ok_or(unknown)? as usize;
        let end = self.begins.get(idx + 1).copied().ok_or(unknown)? as usize;
        let points = usize::from(self.points.get(idx).copied().ok_or(unknown)?);
        let bytes = self.bytes.get(begin..end).ok_or(unknown)?;
        ints::decode(&mut Reader(bytes), points)
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

pub(super) fn decode_exemplars(raw: &[u8]) -> Result<Vec<Exemplar<u32>>, DecodeError> {
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

pub(super) fn decode_metadata(raw: &[u8]) -> Result<Vec<(String, Metadata)>, DecodeError> {
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
