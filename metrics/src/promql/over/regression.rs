//! Straight lines through a range, and smoothed trends.

use super::super::kahan::Sum;
use super::super::note::Note;
use super::super::time::seconds;
use super::{Points, count};

/// The line of least squares: its slope by the second, and its value at `zero_at`.
fn line(floats: &[(i64, f64)], zero_at: i64) -> (f64, f64) {
    let first = floats.first().map_or(f64::NAN, |(_, value)| *value);
    if floats.iter().all(|(_, value)| *value == first) {
        // rounding would give it a slope
        let slope = if first.is_infinite() { f64::NAN } else { 0.0 };
        return (slope, if first.is_infinite() { f64::NAN } else { first });
    }
    let [mut sum_x, mut sum_y, mut sum_xy, mut sum_xx] = [Sum::default(); 4];
    for (at, y) in floats {
        let x = seconds(at.saturating_sub(zero_at));
        sum_x.add(x);
        sum_y.add(*y);
        sum_xy.add(x * y);
        sum_xx.add(x * x);
    }
    let n = count(floats.len());
    let (sum_x, sum_y) = (sum_x.value(), sum_y.value());
    let covariance = sum_xy.value() - sum_x * sum_y / n;
    let variance = sum_xx.value() - sum_x * sum_x / n;
    let slope = covariance / variance;
    (slope, sum_y / n - slope * sum_x / n)
}

/// At least two floats; says if histograms stand among fewer or more.
fn two_floats<'a>(points: &'a Points<'_>) -> Option<&'a [(i64, f64)]> {
    if points.is_mixed() {
        points.note(Note::HistogramIgnoredInMixedRange);
    }
    (points.floats.len() >= 2).then_some(points.floats)
}

pub(super) fn slope(points: &Points<'_>) -> Option<f64> {
    let floats = two_floats(points)?;
    let (first_at, _) = floats.first()?;
    Some(line(floats, *first_at).0)
}

pub(super) fn predicted(points: &Points<'_>) -> Option<f64> {
    let floats = two_floats(points)?;
    let (slope, now) = line(floats, points.at);
    Some(slope * points.params.0 + now)
}

/// Holt's double exponential smoothing; the factors are checked before.
pub(super) fn smoothed(points: &Points<'_>) -> Option<f64> {
    let floats = two_floats(points)?;
    let (smoothing, trending) = points.params;
    let mut values = floats.iter().map(|(_, value)| *value);
    let first = values.next()?;
    let second = values.clone().next()?;
    let mut trend = second - first;
    let (mut before, mut level) = (0.0, first);
    for (idx, value) in values.enumerate() {
        if idx > 0 {
            trend = trending * (level - before) + (1.0 - trending) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (level + trend);
        (before, level) = (level, next);
    }
    Some(level)
}
