//! Rows: what a head and a block hand over of one series, and what a block is built from.

use std::sync::Arc;

use crate::histogram::Histogram;
use crate::series::Kind;
use crate::{Points, Samples, Window};

/// The points of one series, ascending in time, each time once; windows ascend by (end, start).
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub kind: Kind,
    pub floats: Vec<(i64, f64)>,
    pub histograms: Vec<(i64, Arc<Histogram>)>,
    pub windows: Vec<Window>,
}

impl Row {
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            floats: Vec::new(),
            histograms: Vec::new(),
            windows: Vec::new(),
        }
    }

    #[must_use]
    pub fn n_points(&self) -> usize {
        self.floats.len() + self.histograms.len() + self.windows.len()
    }

    /// Puts `later`, which was made from higher offsets, behind: its samples win, its windows add.
    pub fn append(&mut self, later: Self) {
        merge(&mut self.floats, later.floats);
        merge(&mut self.histograms, later.histograms);
        if !later.windows.is_empty() {
            self.windows.extend(later.windows);
            crate::window::collapse(&mut self.windows);
        }
    }

    /// Its points as queries read them.
    #[must_use]
    pub fn into_points(mut self) -> Points {
        self.settle();
        match self.kind {
            Kind::Samples => Points::Samples(Samples {
                floats: self.floats,
                histograms: self.histograms,
            }),
            Kind::Windows => Points::Windows(self.windows),
        }
    }

    /// At one time a series has a float or a histogram. Of two from one block the histogram counts.
    pub fn settle(&mut self) {
        if !self.histograms.is_empty() {
            let histograms = &self.histograms;
            self.floats.retain(|(unix_ms, _)| {
                histograms
                    .binary_search_by_key(unix_ms, |(at, _)| *at)
                    .is_err()
            });
        }
    }
}

/// Merges ascending points; of equal times the later ones'.
fn merge<T>(points: &mut Vec<(i64, T)>, later: Vec<(i64, T)>) {
    let in_order = match (points.last(), later.first()) {
        (Some((last, _)), Some((first, _))) => last < first,
        _ => true,
    };
    points.extend(later);
    if !in_order {
        newest_of_each_time(points);
    }
}

/// Points in order of records become ascending in time, each time once: the newest record's.
pub(crate) fn newest_of_each_time<T>(points: &mut Vec<(i64, T)>) {
    if points.is_sorted_by(|(a, _), (b, _)| a < b) {
        return;
    }
    points.sort_by_key(|(unix_ms, _)| *unix_ms); // stable: the newest record stays last of its time
    points.dedup_by(|later, kept| {
        let same_time = later.0 == kept.0;
        if same_time {
            std::mem::swap(later, kept);
        }
        same_time
    });
}

/// A value with the trace that it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar<S> {
    pub series: S,
    pub unix_ms: i64,
    pub value: f64,
    /// `trace_id`, `span_id` and what else was sent, sorted by name.
    pub labels: Vec<(String, String)>,
}

impl<S> Exemplar<S> {
    pub(crate) fn text_bytes(&self) -> u64 {
        let text = |(name, value): &(String, String)| name.len() + value.len();
        self.labels.iter().map(text).sum::<usize>() as u64
    }
}

/// What a metric is, by whoever sends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    pub kind: MetricKind,
    pub unit: String,
    /// At most [`HELP_BYTES_MAX`] bytes.
    pub help: String,
}

/// Longest description that is kept, in bytes.
pub const HELP_BYTES_MAX: usize = 1_024;

/// As Prometheus names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricKind {
    #[default]
    Unknown,
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
}

impl MetricKind {
    /// In order of their numbers in blocks and in remote write.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
    ];

    /// Its name in the Prometheus API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// Its number in blocks and in remote write.
    #[must_use]
    pub fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|kind| *kind == self);
        place.map_or(0, |place| place as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_samples_win() {
        let mut row = Row::new(Kind::Samples);
        row.floats = vec![(1, 1.0), (3, 3.0), (5, 5.0)];
        let mut later = Row::new(Kind::Samples);
        later.floats = vec![(2, 2.0), (3, 3.5), (6, 6.0)];
        row.append(later);
        let expected = [(1, 1.0), (2, 2.0), (3, 3.5), (5, 5.0), (6, 6.0)];
        assert_eq!(row.floats, expected);
    }
}
