//! Values at the steps of a query: what the evaluator computes on.
//!
//! A [`Column`] has a place for each step, 8 bytes where all is floats. A missing value is the stale NaN, which no selector lets in.

use std::sync::Arc;

use super::work::{Held, Work};
use crate::{Histogram, Labels, Samples, Value};

/// The NaN that says: this series ended here (Prometheus remote write).
pub(super) const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

pub(super) fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// The instants that an expression is evaluated at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) n: usize,
}

impl Grid {
    pub(super) fn one(at: i64) -> Self {
        Self {
            start: at,
            step: 1,
            n: 1,
        }
    }

    /// `start`, `start + step`, … up to `end`; empty if that lies before.
    pub(super) fn new(start: i64, end: i64, step: i64) -> Self {
        let span = end.saturating_sub(start);
        let n = if span < 0 || step <= 0 {
            0
        } else {
            usize::try_from(span / step + 1).unwrap_or(usize::MAX)
        };
        Self { start, step, n }
    }

    pub(super) fn times(self) -> impl ExactSizeIterator<Item = i64> {
        (0..self.n).map(move |idx| self.at(idx))
    }

    pub(super) fn at(self, idx: usize) -> i64 {
        let steps = i64::try_from(idx).unwrap_or(i64::MAX);
        self.start.saturating_add(self.step.saturating_mul(steps))
    }

    pub(super) fn last(self) -> i64 {
        self.at(self.n.saturating_sub(1))
    }
}

/// A value at a step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

impl Cell<'_> {
    pub(super) fn float(self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(value),
            Self::Histogram(_) => None,
        }
    }

    pub(super) fn to_value(self) -> Value {
        match self {
            Self::Float(value) => Value::Float(value),
            Self::Histogram(histogram) => Value::Histogram(Arc::clone(histogram)),
        }
    }
}

/// One series at every step.
pub(super) struct Column {
    floats: Vec<f64>,
    /// Empty as long as there is none, else as long as `floats`.
    histograms: Vec<Option<Arc<Histogram>>>,
    held: Held,
}

impl Column {
    /// Nothing at any step.
    pub(super) fn absent(n: usize, work: &Work) -> Self {
        Self {
            floats: vec![f64::from_bits(STALE_BITS); n],
            histograms: Vec::new(),
            held: work.held(size_of::<Line>() + n * size_of::<f64>()),
        }
    }

    pub(super) fn get(&self, idx: usize) -> Option<Cell<'_>> {
        if let Some(Some(histogram)) = self.histograms.get(idx) {
            return Some(Cell::Histogram(histogram));
        }
        let value = *self.floats.get(idx)?;
        (!is_stale(value)).then_some(Cell::Float(value))
    }

    /// Steps, whether there is something or not.
    pub(super) fn len(&self) -> usize {
        self.floats.len()
    }

    pub(super) fn has(&self, idx: usize) -> bool {
        self.get(idx).is_some()
    }

    /// The float at a step; none if there is nothing, or a histogram.
    pub(super) fn float(&self, idx: usize) -> Option<f64> {
        self.get(idx).and_then(Cell::float)
    }

    /// The histogram at a step, if there is one.
    pub(super) fn histogram(&self, idx: usize) -> Option<&Histogram> {
        self.histograms.get(idx)?.as_deref()
    }

    pub(super) fn set(&mut self, idx: usize, value: Value) {
        match value {
            Value::Float(value) => self.set_float(idx, value),
            Value::Histogram(histogram) => self.set_histogram(idx, histogram),
        }
    }

    pub(super) fn set_float(&mut self, idx: usize, value: f64) {
        // a computed NaN with the bits of a stale one is a NaN
        let value = if is_stale(value) { f64::NAN } else { value };
        if let Some(slot) = self.floats.get_mut(idx) {
            *slot = value;
        }
        if let Some(slot) = self.histograms.get_mut(idx) {
            *slot = None;
        }
    }

    pub(super) fn set_histogram(&mut self, idx: usize, histogram: Arc<Histogram>) {
        if self.histograms.is_empty() {
            self.histograms.resize(self.floats.len(), None);
            self.held.grow(self.floats.len() * size_of::<usize>());
        }
        self.held.grow(histogram_bytes(&histogram));
        self.clear(idx);
        if let Some(slot) = self.histograms.get_mut(idx) {
            *slot = Some(histogram);
        }
    }

    pub(super) fn clear(&mut self, idx: usize) {
        self.set_float(idx, f64::NAN);
        if let Some(slot) = self.floats.get_mut(idx) {
            *slot = f64::from_bits(STALE_BITS);
        }
    }

    pub(super) fn put(&mut self, idx: usize, cell: Cell<'_>) {
        self.set(idx, cell.to_value());
    }

    pub(super) fn is_empty(&self) -> bool {
        !(0..self.floats.len()).any(|idx| self.has(idx))
    }

    /// Replaces each float; histograms fall away.
    pub(super) fn map_floats(&mut self, mut of: impl FnMut(usize, f64) -> Option<f64>) {
        for idx in 0..self.floats.len() {
            match self.float(idx).and_then(|value| of(idx, value)) {
                Some(value) => self.set_float(idx, value),
                None => self.clear(idx),
            }
        }
    }

    /// Its values with the times of their steps.
    pub(super) fn samples(&self, grid: Grid) -> Samples {
        let mut samples = Samples::default();
        for (idx, at) in grid.times().enumerate() {
            match self.get(idx) {
                Some(Cell::Float(value)) => samples.floats.push((at, value)),
                Some(Cell::Histogram(histogram)) => {
                    samples.histograms.push((at, Arc::clone(histogram)));
                }
                None => {}
            }
        }
        samples
    }
}

/// Bytes that a histogram takes, about.
pub(super) fn histogram_bytes(histogram: &Histogram) -> usize {
    let n = histogram.positive.counts.len()
        + histogram.negative.counts.len()
        + histogram.custom_bounds.len();
    size_of::<Histogram>() + n * size_of::<f64>()
}

/// A series with its values.
pub(super) struct Line {
    pub(super) labels: Labels,
    /// The name goes when the query is done (`promql-delayed-name-removal`).
    pub(super) drop_name: bool,
    pub(super) column: Column,
}
