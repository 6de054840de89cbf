//! What a store hands to the evaluator: series with their points in a range.

use std::sync::Arc;

use crate::Labels;
use crate::histogram::Histogram;

/// A series and its points in the range that was asked for, in order of time.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesData {
    pub labels: Labels,
    pub points: Points,
}

/// How a series came in, which is how `rate` reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum Points {
    /// Values at instants: gauges and cumulative counters.
    Samples(Samples),
    /// What was added in windows, in order of their ends: RED, edges and delta sums. The raw value at an instant is the sum of the windows that have ended.
    Windows(Vec<Window>),
}

impl Points {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Samples(samples) => samples.floats.len() + samples.histograms.len(),
            Self::Windows(windows) => windows.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Values at instants. No instant stands in both lists.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    /// Unix time in ms, value. A stale marker is the NaN with the bits 0x7ff0_0000_0000_0002.
    pub floats: Vec<(i64, f64)>,
    pub histograms: Vec<(i64, Arc<Histogram>)>,
}

/// What was added in a span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    pub start_unix_ms: i64,
    pub end_unix_ms: i64,
    pub value: Value,
}

/// A number or a distribution.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Float(f64),
    Histogram(Arc<Histogram>),
}
