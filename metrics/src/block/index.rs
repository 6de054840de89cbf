//! The index of an opened block: symbols, series, where chunks lie. In: the sections but the chunks. Out: which series matchers mean, and what to read.

mod decode;

use std::ops::Range;

use bytes::Bytes;

use super::build::{FLOAT_WINDOWS, FLOATS, HISTOGRAMS};
use crate::chunk::bytes::Reader;
use crate::chunk::{ChunkError, ints};
use crate::labels::NAME;
use crate::labels::packed::pack;
use crate::matching::SymbolMatcher;
use crate::series::Kind;
use crate::symbols::SortedSymbols;
use crate::{Labels, MatchOp, Matcher};

pub(super) use decode::{decode_exemplars, decode_metadata};

/// Bytes of points in memory; histograms have some twenty buckets.
const FLOAT_BYTES: u64 = 16;
const WINDOW_BYTES: u64 = 40;
const HISTOGRAM_BYTES: u64 = 320;

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

impl BlockIndex {
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

    /// The labels of a series packed, in place of what is in `packed`.
    pub(crate) fn pack(&self, series: u32, packed: &mut String) {
        packed.clear();
        let (names, values) = (self.names_of(series), self.values_of(series));
        // symbols are ranks, so this is the order of texts; that of no length is the first
        let has_empty = values.contains(&0) && self.symbols.get(0).is_empty();
        if names.is_sorted_by(|a, b| a < b) && !has_empty {
            pack(self.labels(series), packed);
        } else {
            pack(self.owned_labels(series).iter(), packed);
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

    /// Memory that the points of a chunk take once they are read, about.
    #[must_use]
    pub fn bytes_in_memory(&self, chunk: &Chunk) -> u64 {
        let n_points = self.n_points(chunk) as u64;
        match usize::from(chunk.sort) {
            FLOATS => n_points * FLOAT_BYTES,
            HISTOGRAMS => n_points * HISTOGRAM_BYTES,
            FLOAT_WINDOWS => n_points * WINDOW_BYTES,
            _ => n_points * (WINDOW_BYTES + HISTOGRAM_BYTES),
        }
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

impl Times {
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
