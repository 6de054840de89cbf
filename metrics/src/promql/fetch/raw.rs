//! Series as they come from the store made ready to be read: windows into running sums, stale markers out of ranges.

use std::sync::Arc;

use super::super::native;
use super::super::steps::{histogram_bytes, is_stale};
use super::{Fetched, FetchedPoints, Use};
use crate::{Histogram, Points, Samples, SeriesData, Value, Window};

/// A series as it is used from a time on.
pub(super) fn prepared(series: SeriesData, used: Use, from: i64) -> Fetched {
    let points = match series.points {
        Points::Windows(windows) if used == Use::Windows => FetchedPoints::Windows(windows),
        Points::Windows(windows) => FetchedPoints::Samples(running_sum(&windows, from)),
        Points::Samples(mut samples) => {
            if used != Use::Instant {
                if samples.floats.iter().any(|(_, value)| is_stale(*value)) {
                    samples.floats.retain(|(_, value)| !is_stale(*value));
                }
                samples
                    .histograms
                    .retain(|(_, histogram)| !is_stale(histogram.sum));
            }
            FetchedPoints::Samples(samples)
        }
    };
    Fetched {
        labels: series.labels,
        points,
    }
}

/// Memory that points take.
pub(super) fn bytes(points: &FetchedPoints) -> usize {
    match points {
        FetchedPoints::Samples(samples) => samples_bytes(samples),
        FetchedPoints::Windows(windows) => windows.iter().map(window_bytes).sum(),
    }
}

fn samples_bytes(samples: &Samples) -> usize {
    let histograms = samples.histograms.iter();
    let histograms: usize = histograms.map(|(_, h)| 16 + histogram_bytes(h)).sum();
    samples.floats.len() * 16 + histograms
}

fn window_bytes(window: &Window) -> usize {
    let histogram = match &window.value {
        Value::Float(_) => 0,
        Value::Histogram(histogram) => histogram_bytes(histogram),
    };
    size_of::<Window>() + histogram
}

#[derive(Debug, Default, Clone)]
struct Base {
    sum: f64,
    histogram: Option<Histogram>,
}

impl Base {
    fn add(&mut self, value: &Value) {
        match value {
            Value::Float(value) => self.sum += value,
            // Histograms that cannot be added begin anew.
            Value::Histogram(added) => {
                let sum = self.histogram.as_ref();
                let sum = sum.and_then(|sum| native::add(sum, added).ok());
                let sum = sum.map_or_else(|| Histogram::clone(added), |sum| sum.histogram);
                self.histogram = Some(sum);
            }
        }
    }
}

/// The raw value of a series of windows: at the end of each the sum of all that have ended by then. What lies before `from` is summed alone.
fn running_sum(windows: &[Window], from: i64) -> Samples {
    let mut base = Base::default();
    let mut samples = Samples::default();
    let mut windows = windows.iter().peekable();
    while let Some(window) = windows.next() {
        let at = window.end_unix_ms;
        base.add(&window.value);
        let is_last = windows.peek().is_none_or(|next| next.end_unix_ms != at);
        if at <= from || !is_last {
            continue;
        }
        match (&window.value, &base.histogram) {
            (Value::Histogram(_), Some(histogram)) => {
                samples.histograms.push((at, Arc::new(histogram.clone())));
            }
            _ => samples.floats.push((at, base.sum)),
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_sum_begins_with_what_ended_before_the_range() {
        let window = |start, end, value| Window {
            start_unix_ms: start,
            end_unix_ms: end,
            value: Value::Float(value),
        };
        let windows = [
            window(0, 10, 1.0),
            window(10, 20, 2.0),
            window(15, 20, 4.0),
            window(20, 30, 8.0),
        ];
        let floats = |from| running_sum(&windows, from).floats;
        assert_eq!(floats(i64::MIN), [(10, 1.0), (20, 7.0), (30, 15.0)]);
        assert_eq!(floats(10), [(20, 7.0), (30, 15.0)]);
        assert_eq!(floats(30), []);
    }

    #[test]
    fn stale_markers_count_at_instants_alone() {
        let series = || SeriesData {
            labels: crate::Labels::default(),
            points: Points::Samples(Samples {
                floats: vec![(1, 1.0), (2, f64::from_bits(0x7ff0_0000_0000_0002))],
                histograms: Vec::new(),
            }),
        };
        let n_floats = |used| match prepared(series(), used, 0).points {
            FetchedPoints::Samples(samples) => samples.floats.len(),
            FetchedPoints::Windows(_) => 0,
        };
        assert_eq!(n_floats(Use::Instant), 2);
        assert_eq!((n_floats(Use::Range), n_floats(Use::Windows)), (1, 1));
    }
}
