//! Sums, means and variances of a range.

use std::sync::Arc;

use super::super::histograms::{Mean, Total};
use super::super::kahan;
use super::super::note::Note;
use super::{Points, count};
use crate::Value;

/// What both kinds have in common: they are not mixed.
fn unmixed(points: &Points<'_>) -> bool {
    if points.is_mixed() {
        points.note(Note::MixedFloatsHistograms);
    }
    !points.is_mixed()
}

pub(super) fn sum(points: &Points<'_>) -> Option<Value> {
    if !unmixed(points) {
        return None;
    }
    if points.histograms.is_empty() {
        let mut sum = kahan::Sum::default();
        points.floats.iter().for_each(|(_, value)| sum.add(*value));
        return Some(Value::Float(sum.value()));
    }
    let mut total = Total::default();
    for (_, histogram) in points.histograms {
        total.add(histogram);
    }
    total
        .finish(points.metric, points.notes)
        .map(|sum| Value::Histogram(Arc::new(sum)))
}

pub(super) fn average(points: &Points<'_>) -> Option<Value> {
    if !unmixed(points) {
        return None;
    }
    if points.histograms.is_empty() {
        let mut mean = kahan::Mean::default();
        points.floats.iter().for_each(|(_, value)| mean.add(*value));
        return Some(Value::Float(mean.value()));
    }
    let mut mean = Mean::default();
    for (_, histogram) in points.histograms {
        mean.add(histogram);
    }
    mean.finish(points.metric, points.notes)
        .map(|mean| Value::Histogram(Arc::new(mean)))
}

/// The population variance, in one pass (Welford).
pub(super) fn variance(floats: &[(i64, f64)]) -> f64 {
    let mut variance = Variance::default();
    floats.iter().for_each(|(_, value)| variance.add(*value));
    variance.value()
}

/// A variance as it grows.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::promql) struct Variance {
    n: usize,
    mean: kahan::Sum,
    squares: kahan::Sum,
}

impl Variance {
    pub(in crate::promql) fn add(&mut self, value: f64) {
        self.n += 1;
        let delta = value - self.mean.value();
        self.mean.add(delta / count(self.n));
        self.squares.add(delta * (value - self.mean.value()));
    }

    pub(in crate::promql) fn value(self) -> f64 {
        self.squares.value() / count(self.n)
    }
}
