//! Series as they come from the store made ready to be read: windows into running sums, stale markers out of ranges.

use std::sync::Arc;

use super::super::native;
use super::super::steps::{histogram_bytes, is_stale};
use super::{Fetched, FetchedPoints, Use};
use crate::{Histogram, Points, Samples, SeriesData, Value, Window};

pub(super) struct Prepared {
    pub(super) series: Vec<Fetched>,
    pub(super) n_samples: u64,
    pub(super) bytes: usize,
}

pub(super) fn prepare(read: Vec<SeriesData>, used: Use, from: i64) -> Prepared {
    let mut prepared = Prepared {
        series: Vec::with_capacity(read.len()),
        n_samples: 0,
        bytes: 0,
    };
    for series in read {
        let points = match series.points {
            Points::Windows(windows) if used == Use::Windows => {
                prepared.n_samples += windows.len() as u64;
                prepared.bytes += windows.iter().map(window_bytes).sum::<usize>();
                FetchedPoints::Windows(windows)
            }
            Points::Windows(windows) => {
                prepared.n_samples += windows.len() as u64;
                FetchedPoints::Samples(running_sum(&windows, from))
            }
            Points::Samples(mut samples) => {
                prepared.n_samples += (samples.floats.len() + samples.histograms.len()) as u64;
                if used != Use::Instant {
                    samples.floats.retain(|(_, value)| !is_stale(*value));
                    samples
                        .histograms
                        .retain(|(_, histogram)| !is_stale(histogram.sum));
                }
                FetchedPoints::Samples(samples)
            }
        };
        if let FetchedPoints::Samples(samples) = &points {
            prepared.bytes += samples_bytes(samples);
        }
        prepared.series.push(Fetched {
            labels: series.labels,
            points,
        });
    }
    prepared
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

/// The raw value of a series of windows: at the end of each the sum of all that have ended by then. Only points behind `from` are made.
fn running_sum(windows: &[Window], from: i64) -> Samples {
    let mut samples = Samples::default();
    let mut sum = 0.0;
    let mut histogram: Option<Histogram> = None;
    let mut windows = windows.iter().peekable();
    while let Some(window) = windows.next() {
        let at = window.end_unix_ms;
        match &window.value {
            Value::Float(value) => sum += value,
            Value::Histogram(added) => add(&mut histogram, added),
        }
        let is_last_of_its_end = windows.peek().is_none_or(|next| next.end_unix_ms != at);
        if at <= from || !is_last_of_its_end {
            continue;
        }
        match (&window.value, &histogram) {
            (Value::Histogram(_), Some(histogram)) => {
                samples.histograms.push((at, Arc::new(histogram.clone())));
            }
            _ => samples.floats.push((at, sum)),
        }
    }
    samples
}

/// Histograms that cannot be added begin anew.
fn add(to: &mut Option<Histogram>, added: &Histogram) {
    let sum = to.as_ref().and_then(|sum| native::add(sum, added).ok());
    *to = Some(sum.map_or_else(|| added.clone(), |sum| sum.histogram));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_sum_counts_what_ended_before_the_range_too() {
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
        assert_eq!(running_sum(&windows, 10).floats, [(20, 7.0), (30, 15.0)]);
        assert_eq!(running_sum(&windows, i64::MIN).floats.len(), 3);
    }
}
