//! Building a block: rows come in order of series, each is encoded as it comes; the index is put in order at the end.

mod chunk_index;
mod content;
mod shapes;
mod times;

use std::collections::BTreeMap;
use std::sync::Arc;

use blocks::ContentHash;
use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::layout::{self, N_SECTIONS};
use super::{BuildError, Meta};
use crate::chunk::histograms::CHUNK_BUCKETS_MAX;
use crate::chunk::{Effort, POINTS_MAX, floats, histograms, ints};
use crate::histogram::Histogram;
use crate::labels::NAME;
use crate::row::{Exemplar, Metadata, Row};
use crate::series::Kind;
use crate::symbols::Symbols;
use crate::{Value, Window};
use chunk_index::{ChunkList, Pages};
use shapes::Shapes;
use times::Times;

/// Bytes of chunks after which a page ends with its series.
pub(super) const PAGE_BYTES: usize = 16 << 10;
pub(super) const EXEMPLARS_MAX: usize = 1 << 20;
pub(super) const METADATA_MAX: usize = 65_536;

/// Sorts of chunks, by number.
pub(super) const FLOATS: usize = 0;
pub(super) const HISTOGRAMS: usize = 1;
pub(super) const FLOAT_WINDOWS: usize = 2;
pub(super) const HISTOGRAM_WINDOWS: usize = 3;
pub(super) const N_SORTS: usize = 4;

/// A block that is not stored yet.
#[derive(Debug, Clone)]
pub struct Built {
    pub body: Bytes,
    pub content: ContentHash,
    /// Counts and range of time are filled in; the rest is its maker's.
    pub meta: Meta,
}

/// Takes rows in order of (metric, labels, kind), no two equal.
pub struct BlockBuilder {
    effort: Effort,
    symbols: Symbols,
    shapes: Shapes,
    kinds: Vec<i64>,
    times: Times,
    sorts: [ChunkList; N_SORTS],
    chunks: Vec<u8>,
    pages: Pages,
    hash: Xxh3,
    scratch: Vec<u8>,
    exemplars: Vec<Exemplar<u32>>,
    metadata: BTreeMap<String, Metadata>,
    n_points: u64,
    time_range: Option<(i64, i64)>,
}

impl BlockBuilder {
    #[must_use]
    pub fn new(effort: Effort) -> Self {
        Self {
            effort,
            symbols: Symbols::default(),
            shapes: Shapes::default(),
            kinds: Vec::new(),
            times: Times::default(),
            sorts: Default::default(),
            chunks: Vec::new(),
            pages: Pages::default(),
            hash: Xxh3::new(),
            scratch: Vec::new(),
            exemplars: Vec::new(),
            metadata: BTreeMap::new(),
            n_points: 0,
            time_range: None,
        }
    }

    #[must_use]
    pub fn n_series(&self) -> usize {
        self.kinds.len()
    }

    /// Adds a series; returns its number.
    pub fn push<'a>(
        &mut self,
        labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        row: &Row,
    ) -> u32 {
        let number = self.kinds.len() as u32;
        self.scratch.clear();
        content::put_row(&mut self.scratch, labels.clone(), row);
        self.hash.update(&self.scratch);
        self.shapes.push(&mut self.symbols, labels);
        self.kinds.push(row.kind as i64);
        self.n_points += row.n_points() as u64;
        self.push_floats(number, row);
        self.push_histograms(number, row);
        self.push_windows(number, row);
        self.pages.end_if_full(&self.chunks);
        number
    }

    fn push_floats(&mut self, series: u32, row: &Row) {
        for points in row.floats.chunks(POINTS_MAX) {
            let times: Vec<i64> = points.iter().map(|(unix_ms, _)| *unix_ms).collect();
            let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
            let begin = self.chunks.len();
            floats::encode(&values, self.effort, &mut self.chunks);
            self.end_chunk(FLOATS, series, &times, begin);
        }
    }

    fn push_histograms(&mut self, series: u32, row: &Row) {
        for points in histogram_chunks(&row.histograms, |(_, histogram)| histogram) {
            let times: Vec<i64> = points.iter().map(|(unix_ms, _)| *unix_ms).collect();
            let values: Vec<Arc<Histogram>> = points.iter().map(|(_, h)| Arc::clone(h)).collect();
            let begin = self.chunks.len();
            histograms::encode(&values, self.effort, &mut self.chunks);
            self.end_chunk(HISTOGRAMS, series, &times, begin);
        }
    }

    fn push_windows(&mut self, series: u32, row: &Row) {
        let of_floats: Vec<(&Window, f64)> = row
            .windows
            .iter()
            .filter_map(|window| match &window.value {
                Value::Float(value) => Some((window, *value)),
                Value::Histogram(_) => None,
            })
            .collect();
        for windows in of_floats.chunks(POINTS_MAX) {
            let values: Vec<f64> = windows.iter().map(|(_, value)| *value).collect();
            let (ends, begin) = self.begin_windows(windows.iter().map(|(window, _)| *window));
            floats::encode(&values, self.effort, &mut self.chunks);
            self.end_chunk(FLOAT_WINDOWS, series, &ends, begin);
        }
        let of_histograms: Vec<(&Window, &Arc<Histogram>)> = row
            .windows
            .iter()
            .filter_map(|window| match &window.value {
                Value::Float(_) => None,
                Value::Histogram(value) => Some((window, value)),
            })
            .collect();
        for windows in histogram_chunks(&of_histograms, |(_, histogram)| histogram) {
            let values: Vec<Arc<Histogram>> = windows.iter().map(|(_, h)| Arc::clone(h)).collect();
            let (ends, begin) = self.begin_windows(windows.iter().map(|(window, _)| *window));
            histograms::encode(&values, self.effort, &mut self.chunks);
            self.end_chunk(HISTOGRAM_WINDOWS, series, &ends, begin);
        }
    }

    /// Writes the lengths; returns the ends, and where the chunk began.
    fn begin_windows<'a>(
        &mut self,
        windows: impl Iterator<Item = &'a Window>,
    ) -> (Vec<i64>, usize) {
        let begin = self.chunks.len();
        let (ends, lengths): (Vec<i64>, Vec<i64>) = windows
            .map(|window| {
                let length = window.end_unix_ms.wrapping_sub(window.start_unix_ms);
                (window.end_unix_ms, length)
            })
            .unzip();
        ints::encode(&lengths, &mut self.chunks);
        (ends, begin)
    }

    fn end_chunk(&mut self, sort: usize, series: u32, times: &[i64], begin: usize) {
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let range = self.time_range.get_or_insert((*first, *last));
            *range = (range.0.min(*first), range.1.max(*last));
        }
        let column = self.times.number(times);
        let size = self.chunks.len() - begin;
        if let Some(list) = self.sorts.get_mut(sort) {
            list.series.push(i64::from(series));
            list.times.push(i64::from(column));
            list.sizes.push(size as i64);
        }
    }

    /// Adds an exemplar of a series that was pushed.
    pub fn push_exemplar(&mut self, exemplar: Exemplar<u32>) {
        self.exemplars.push(exemplar);
    }

    pub fn put_metadata(&mut self, metric: &str, metadata: &Metadata) {
        self.metadata.insert(metric.to_owned(), metadata.clone());
    }

    /// # Errors
    /// When a section is over its limit.
    pub fn finish(mut self) -> Result<Built, BuildError> {
        self.pages.end(&self.chunks);
        let exemplars = content::encode_exemplars(&mut self.exemplars);
        let metadata = content::encode_metadata(&self.metadata);
        self.hash.update(&exemplars);
        self.hash.update(&metadata);
        let mut ranks = vec![0u32; self.symbols.len()];
        let order = self.symbols.sorted();
        for (rank, symbol) in (0u32..).zip(&order) {
            if let Some(slot) = ranks.get_mut(*symbol as usize) {
                *slot = rank;
            }
        }
        let n_series = self.kinds.len() as u32;
        let mut sections: [Vec<u8>; N_SECTIONS] = Default::default();
        let index = chunk_index::encode(&self.times, &self.sorts, &self.pages);
        let parts = [
            (
                layout::SYMBOLS,
                shapes::encode_symbols(&self.symbols, &order),
            ),
            (layout::SERIES, self.shapes.encode(&self.kinds, &ranks)),
            (layout::TIMES, self.times.bytes),
            (layout::CHUNK_INDEX, index),
            (layout::CHUNKS, self.chunks),
            (layout::EXEMPLARS, exemplars),
            (layout::METADATA, metadata),
        ];
        for (idx, bytes) in parts {
            if let Some(section) = sections.get_mut(idx) {
                *section = bytes;
            }
        }
        let (time_min_unix_ms, time_max_unix_ms) = self.time_range.unwrap_or((0, -1));
        Ok(Built {
            body: layout::join(sections, n_series, self.n_points)?,
            content: ContentHash(self.hash.digest128()),
            meta: Meta {
                time_min_unix_ms,
                time_max_unix_ms,
                n_series: u64::from(n_series),
                n_points: self.n_points,
                ..Meta::default()
            },
        })
    }
}

/// Runs of at most as many points, and as many buckets, as a chunk has.
fn histogram_chunks<T>(
    points: &[T],
    histogram: impl Fn(&T) -> &Histogram,
) -> impl Iterator<Item = &[T]> {
    let mut rest = points;
    std::iter::from_fn(move || {
        let mut n_buckets = 0;
        let fits = |point: &&T| {
            let histogram = histogram(point);
            n_buckets += histogram.positive.counts.len()
                + histogram.negative.counts.len()
                + histogram.custom_bounds.len();
            n_buckets <= CHUNK_BUCKETS_MAX
        };
        let n = rest.iter().take(POINTS_MAX).take_while(fits).count();
        let (chunk, others) = rest.split_at(n.max(1).min(rest.len()));
        rest = others;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// How series are ordered in a block: by metric, labels, kind.
#[must_use]
pub fn compare_series<'a>(
    a: (impl Iterator<Item = (&'a str, &'a str)> + Clone, Kind),
    b: (impl Iterator<Item = (&'a str, &'a str)> + Clone, Kind),
) -> std::cmp::Ordering {
    let metric_a = a.0.clone().find(|(name, _)| *name == NAME);
    let metric_b = b.0.clone().find(|(name, _)| *name == NAME);
    metric_a
        .map(|(_, metric)| metric)
        .cmp(&metric_b.map(|(_, metric)| metric))
        .then_with(|| a.0.cmp(b.0))
        .then_with(|| a.1.cmp(&b.1))
}
