//! Folding points into the open head, under the limits in force. In: labels and points of one tenant, from one record. Out: a fuller head, and counts of
//! what was let go.

use std::sync::Arc;

use crate::Window;
use crate::head::{Caps, TenantHead};
use crate::histogram::Histogram;
use crate::labels::NAME;
use crate::row::{Exemplar, Metadata};
use crate::series::{Kind, SeriesId};

/// Marks the series that holds what came beyond a cap.
pub const OVERFLOW: &str = "__overflow__";

/// What became of a tenant's points, since the log began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Points that came, re-sent and refused ones included.
    pub accepted: u64,
    /// In blocks or the open head, in their own series or the overflow's.
    pub stored: u64,
    /// Points of re-sent requests.
    pub duplicates: u64,
    /// Samples older than the out-of-order window.
    pub too_old: u64,
    /// Samples of new series beyond a cap: what is no delta cannot be added to others.
    pub beyond_cap: u64,
    /// Points that no reader could read.
    pub dead_lettered: u64,
    /// Of the stored ones: deltas in an overflow series.
    pub overflowed: u64,
}

/// One record's way into the head.
pub struct Fold<'a> {
    pub head: &'a mut TenantHead,
    pub totals: &'a mut Totals,
    pub caps: Caps,
    /// Samples before this are refused; none for what is imported or derived.
    pub oldest_unix_ms: Option<i64>,
}

impl Fold<'_> {
    fn admit(&mut self, unix_ms: i64) -> bool {
        self.totals.accepted += 1;
        let too_old = self.oldest_unix_ms.is_some_and(|oldest| unix_ms < oldest);
        self.totals.too_old += u64::from(too_old);
        !too_old
    }

    /// The series of samples with these labels (sorted by name, no value empty).
    fn series_of_samples(&mut self, labels: &[(&str, &str)]) -> Option<SeriesId> {
        let series = self.head.series_of(labels, Kind::Samples, self.caps);
        match series {
            Some(_) => self.totals.stored += 1,
            None => self.totals.beyond_cap += 1,
        }
        series
    }

    /// A value at an instant. Returns its series, if it was taken.
    pub fn float(&mut self, labels: &[(&str, &str)], unix_ms: i64, value: f64) -> Option<SeriesId> {
        if !self.admit(unix_ms) {
            return None;
        }
        let series = self.series_of_samples(labels)?;
        self.head.push_float(series, unix_ms, value);
        Some(series)
    }

    /// A distribution at an instant. Returns its series, if it was taken.
    pub fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        unix_ms: i64,
        value: Histogram,
    ) -> Option<SeriesId> {
        if !self.admit(unix_ms) {
            return None;
        }
        let series = self.series_of_samples(labels)?;
        self.head.push_histogram(series, unix_ms, Arc::new(value));
        Some(series)
    }

    /// What was added in a span of time. Beyond a cap it is added to the metric's overflow series, so that totals stay exact.
    pub fn window(&mut self, labels: &[(&str, &str)], window: Window) -> Option<SeriesId> {
        if !self.admit(window.end_unix_ms) {
            return None;
        }
        let series = match self.head.series_of(labels, Kind::Windows, self.caps) {
            Some(series) => series,
            None => {
                self.totals.overflowed += 1;
                let metric = labels.iter().find(|(name, _)| *name == NAME);
                let labels = [
                    (NAME, metric.map_or("", |(_, metric)| metric)),
                    (OVERFLOW, "true"),
                ];
                self.head.series_beyond(&labels, Kind::Windows)?
            }
        };
        self.totals.stored += 1;
        self.head.push_window(series, window);
        Some(series)
    }

    pub fn exemplar(&mut self, exemplar: Exemplar<SeriesId>) {
        self.head.push_exemplar(exemplar);
    }

    pub fn metadata(&mut self, metric: &str, metadata: Metadata) {
        self.head.put_metadata(metric, metadata);
    }
}
