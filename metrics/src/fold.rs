//! Folding points into the open head, under the limits in force. In: labels and points of one tenant, from one record. Out: a fuller head, and counts of
//! what was let go.

use std::sync::Arc;

use telemetry::wire::RunHash;

use crate::chunk::histograms::BUCKETS_MAX;
use crate::head::{Caps, TenantHead};
use crate::histogram::Histogram;
use crate::labels::NAME;
use crate::row::{Exemplar, Metadata};
use crate::series::{Kind, SeriesId};
use crate::{Value, Window};

/// Marks the series that holds what came beyond a cap.
pub const OVERFLOW: &str = "__overflow__";

/// Labels of a series at most; a collector lets fewer through, but not every record comes from ours.
pub const LABELS_MAX: usize = 256;

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
    /// Samples of new series beyond a cap (what is no delta cannot be added to others), and points with too many labels or buckets.
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
    /// The bytes that a series comes with, until it is asked for.
    run: Option<RunHash>,
}

impl<'a> Fold<'a> {
    /// Samples before `oldest_unix_ms` are refused; none for what is imported or derived.
    pub fn new(
        head: &'a mut TenantHead,
        totals: &'a mut Totals,
        caps: Caps,
        oldest_unix_ms: Option<i64>,
    ) -> Self {
        Self {
            head,
            totals,
            caps,
            oldest_unix_ms,
            run: None,
        }
    }
}

impl Fold<'_> {
    /// The series that came with these bytes before.
    pub fn known(&mut self, run: RunHash) -> Option<SeriesId> {
        self.head.known(run)
    }

    /// Folds one series that came with bytes that are not known: the next time they are.
    pub fn noting<T>(&mut self, run: Option<RunHash>, fold: impl FnOnce(&mut Self) -> T) -> T {
        self.run = run;
        let folded = fold(self);
        self.run = None;
        folded
    }

    /// A value at an instant, of a series that is known.
    pub fn known_float(&mut self, series: SeriesId, unix_ms: i64, value: f64) {
        if self.admit(unix_ms) {
            self.totals.stored += 1;
            self.head.push_float(series, unix_ms, value);
        }
    }

    /// What was added in a span of time, of a series that is known.
    pub fn known_window(&mut self, series: SeriesId, window: Window) {
        if self.admit(window.end_unix_ms) {
            self.totals.stored += 1;
            self.head.push_window(series, &window);
        }
    }

    fn series_of(&mut self, labels: &[(&str, &str)], kind: Kind) -> Option<SeriesId> {
        let run = self.run.take();
        let series = self.head.series_of(labels, kind, self.caps)?;
        if let Some(run) = run {
            self.head.note(run, series);
        }
        Some(series)
    }

    fn admit(&mut self, unix_ms: i64) -> bool {
        self.totals.accepted += 1;
        let too_old = self.oldest_unix_ms.is_some_and(|oldest| unix_ms < oldest);
        self.totals.too_old += u64::from(too_old);
        !too_old
    }

    /// The series of samples with these labels (sorted by name, no value empty).
    fn series_of_samples(&mut self, labels: &[(&str, &str)]) -> Option<SeriesId> {
        let fits = labels.len() <= LABELS_MAX;
        let series = fits.then(|| self.series_of(labels, Kind::Samples));
        let series = series.flatten();
        match series {
            Some(_) => self.totals.stored += 1,
            None => {
                self.totals.beyond_cap += 1;
                if fits {
                    self.head.note_beyond(metric_of(labels));
                }
            }
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
        if !is_storable(&value) {
            self.totals.beyond_cap += 1;
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
        let storable = match &window.value {
            Value::Float(_) => true,
            Value::Histogram(histogram) => is_storable(histogram),
        };
        if labels.len() > LABELS_MAX || !storable {
            self.totals.beyond_cap += 1;
            return None;
        }
        let series = match self.series_of(labels, Kind::Windows) {
            Some(series) => series,
            None => self.overflow_series(labels)?,
        };
        self.totals.stored += 1;
        self.head.push_window(series, &window);
        Some(series)
    }

    /// The overflow series of a metric that has series of its own; metrics that are new themselves share one, or there could be as many as names.
    fn overflow_series(&mut self, labels: &[(&str, &str)]) -> Option<SeriesId> {
        self.totals.overflowed += 1;
        let metric = metric_of(labels);
        self.head.note_beyond(metric);
        let is_known = self.head.series().n_of_metric(metric) > 0;
        let name = if is_known { metric } else { OVERFLOW };
        self.head
            .series_beyond(&[(NAME, name), (OVERFLOW, "true")], Kind::Windows)
    }

    pub fn exemplar(&mut self, exemplar: Exemplar<SeriesId>) {
        self.head.push_exemplar(exemplar);
    }

    pub fn metadata(&mut self, metric: &str, metadata: Metadata) {
        self.head.put_metadata(metric, metadata);
    }
}

fn metric_of<'a>(labels: &[(&str, &'a str)]) -> &'a str {
    let metric = labels.iter().find(|(name, _)| *name == NAME);
    metric.map_or("", |(_, metric)| metric)
}

/// Whether a block can hold it.
fn is_storable(histogram: &Histogram) -> bool {
    let sides = [&histogram.positive, &histogram.negative];
    sides.iter().all(|side| side.counts.len() <= BUCKETS_MAX)
        && histogram.custom_bounds.len() <= BUCKETS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buckets;

    fn window(value: Value) -> Window {
        Window {
            start_unix_ms: 0,
            end_unix_ms: 1,
            value,
        }
    }

    #[test]
    fn new_metrics_beyond_the_cap_share_one_series() {
        let (mut head, mut totals) = (TenantHead::default(), Totals::default());
        let caps = Caps {
            series_max: 1,
            metric_series_max: 1,
        };
        let mut fold = Fold::new(&mut head, &mut totals, caps, None);
        for n in 0..50 {
            let (name, job) = (format!("m{}", n / 2), format!("{n}"));
            let labels = [(NAME, name.as_str()), ("job", job.as_str())];
            assert!(fold.window(&labels, window(Value::Float(1.0))).is_some());
        }
        assert_eq!(
            head.n_series(),
            3,
            "its own, that of m0, and that of all others"
        );
        assert_eq!((totals.stored, totals.overflowed), (50, 49));
        let beyond: Vec<(&str, u64)> = head.beyond().collect();
        assert_eq!(beyond.len(), 25, "{beyond:?}");
        assert_eq!(beyond[..2], [("m0", 1), ("m1", 2)]);
    }

    #[test]
    fn what_no_block_can_hold_is_refused() {
        let (mut head, mut totals) = (TenantHead::default(), Totals::default());
        let caps = Caps {
            series_max: 9,
            metric_series_max: 9,
        };
        let mut fold = Fold::new(&mut head, &mut totals, caps, None);
        let names: Vec<String> = (0..300).map(|n| format!("l{n:03}")).collect();
        let labels: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(fold.float(&labels, 0, 1.0), None);
        let huge = Histogram {
            positive: Buckets {
                offset: 0,
                counts: vec![1.0; BUCKETS_MAX + 1],
            },
            ..Histogram::default()
        };
        assert_eq!(fold.histogram(&[], 0, huge.clone()), None);
        assert_eq!(
            fold.window(&[], window(Value::Histogram(huge.into()))),
            None
        );
        assert_eq!((totals.accepted, totals.beyond_cap), (3, 3));
        assert!(head.is_empty());
    }
}
