//! Series as they come from the store made ready to be read: windows into running sums, stale markers out of ranges.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::native;
use super::super::steps::{histogram_bytes, is_stale};
use super::{Fetched, FetchedPoints, Use};
use crate::{Histogram, Labels, Points, Samples, SeriesData, Value, Window};

/// Bytes of a label whose texts are shared.
const LABEL_BYTES: usize = 2 * size_of::<Arc<str>>();

pub(super) struct Prepared {
    pub(super) series: Vec<Fetched>,
    pub(super) n_samples: u64,
    pub(super) bytes: usize,
}

/// Points of series.
pub(super) fn n_points(read: &[SeriesData]) -> u64 {
    let n = read.iter().map(|series| match &series.points {
        Points::Windows(windows) => windows.len() as u64,
        Points::Samples(samples) => (samples.floats.len() + samples.histograms.len()) as u64,
    });
    n.sum()
}

/// What series of windows had before a range.
#[derive(Default)]
pub(super) struct Bases(HashMap<Labels, Base>);

#[derive(Debug, Default, Clone)]
struct Base {
    sum: f64,
    histogram: Option<Histogram>,
}

impl Bases {
    /// With older windows.
    pub(super) fn with(mut self, read: Vec<SeriesData>) -> Self {
        for series in read {
            let Points::Windows(windows) = &series.points else {
                continue;
            };
            let base = self.0.entry(series.labels).or_default();
            windows.iter().for_each(|window| base.add(&window.value));
        }
        self
    }
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

pub(super) fn prepare(read: Vec<SeriesData>, bases: &Bases, used: Use) -> Prepared {
    let mut prepared = Prepared {
        series: Vec::with_capacity(read.len()),
        n_samples: 0,
        bytes: 0,
    };
    for series in read {
        let mut points = match series.points {
            Points::Windows(windows) if used == Use::Windows => {
                prepared.n_samples += windows.len() as u64;
                prepared.bytes += windows.iter().map(window_bytes).sum::<usize>();
                FetchedPoints::Windows(windows)
            }
            Points::Windows(windows) => {
                prepared.n_samples += windows.len() as u64;
                let base = bases.0.get(&series.labels).cloned();
                FetchedPoints::Samples(running_sum(&windows, base.unwrap_or_default()))
            }
            Points::Samples(mut samples) => {
                prepared.n_samples += (samples.floats.len() + samples.histograms.len()) as u64;
                if used == Use::Range || used == Use::Windows {
                    samples.floats.retain(|(_, value)| !is_stale(*value));
                    samples
                        .histograms
                        .retain(|(_, histogram)| !is_stale(histogram.sum));
                }
                FetchedPoints::Samples(samples)
            }
        };
        if let FetchedPoints::Samples(samples) = &mut points {
            if used == Use::Newest {
                keep_newest(samples);
            }
            prepared.bytes += samples_bytes(samples);
        }
        prepared.bytes += size_of::<Fetched>() + series.labels.len() * LABEL_BYTES;
        prepared.series.push(Fetched {
            labels: series.labels,
            points,
        });
    }
    prepared
}

/// Lets all but the newest float and histogram go, and their memory.
fn keep_newest(samples: &mut Samples) {
    samples.floats = samples.floats.last().copied().into_iter().collect();
    samples.histograms = samples.histograms.pop().into_iter().collect();
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

/// The raw value of a series of windows: at the end of each the sum of all that have ended by then.
fn running_sum(windows: &[Window], mut base: Base) -> Samples {
    let mut samples = Samples::default();
    let mut windows = windows.iter().peekable();
    while let Some(window) = windows.next() {
        let at = window.end_unix_ms;
        base.add(&window.value);
        if windows.peek().is_some_and(|next| next.end_unix_ms == at) {
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
    fn at_one_instant_only_the_newest_samples_are_held() {
        let read = || SeriesData {
            labels: Labels::default(),
            points: Points::Samples(Samples {
                floats: (1..=100).map(|at| (at, 1.0)).collect(),
                histograms: Vec::new(),
            }),
        };
        let prepared = |used| prepare(vec![read()], &Bases::default(), used);
        let (newest, all) = (prepared(Use::Newest), prepared(Use::Instant));
        assert_eq!((newest.n_samples, all.n_samples), (100, 100));
        assert_eq!(all.bytes - newest.bytes, 99 * 16);
        let FetchedPoints::Samples(samples) = &newest.series[0].points else {
            panic!("samples stay samples");
        };
        assert_eq!(samples.floats, [(100, 1.0)]);
        assert_eq!(samples.floats.capacity(), 1);
    }

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
        let floats = |base: Base| running_sum(&windows, base).floats;
        assert_eq!(floats(Base::default()), [(10, 1.0), (20, 7.0), (30, 15.0)]);
        let before = SeriesData {
            labels: Labels::default(),
            points: Points::Windows(vec![window(-10, 0, 5.0)]),
        };
        let bases = Bases::default()
            .with(vec![before.clone()])
            .with(vec![before]);
        let base = bases.0.get(&Labels::default()).cloned();
        assert_eq!(floats(base.unwrap_or_default())[0], (10, 11.0));
    }
}
