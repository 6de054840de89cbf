//! How fast counters and gauges of samples grow: between the samples exactly, beyond them extrapolated as Prometheus does.

use std::sync::Arc;

use super::super::native;
use super::super::note::{Note, Operation};
use super::super::signature::Over;
use super::super::time::seconds;
use super::{Points, count};
use crate::{Histogram, ResetHint, Value};

/// `rate`, `increase` and `delta`.
pub(super) fn extrapolated(over: Over, points: &Points<'_>) -> Option<Value> {
    let is_counter = over != Over::Delta;
    if is_counter && !points.floats.is_empty() && !is_counter_name(points.metric) {
        points.note(Note::PossibleNonCounter);
    }
    if points.is_mixed() {
        points.note(Note::MixedFloatsHistograms);
        return None;
    }
    let (grown, start, first_at, last_at, n) = if points.histograms.is_empty() {
        let (first, last) = (points.floats.first()?, points.floats.last()?);
        // what a counter had before it began anew is added
        let grown = points
            .fell_from
            .iter()
            .fold(last.1 - first.1, |grown, from| grown + from);
        let start = (grown, first.1);
        (
            Value::Float(grown),
            start,
            first.0,
            last.0,
            points.floats.len(),
        )
    } else {
        let (first, last) = (points.histograms.first()?, points.histograms.last()?);
        let grown = histogram_growth(points, is_counter)?;
        let start = (grown.count, first.1.count);
        let n = points.histograms.len();
        (Value::Histogram(Arc::new(grown)), start, first.0, last.0, n)
    };
    if n < 2 {
        return None;
    }
    let sampled = seconds(last_at - first_at);
    let spacing = sampled / count(n - 1);
    // a gap at an end that is wider than usual is no part of the series: it began or ended within
    let gap = |gap: f64| {
        if gap >= spacing * 1.1 {
            spacing / 2.0
        } else {
            gap
        }
    };
    let mut before = gap(seconds(first_at - points.from));
    if is_counter && start.0 > 0.0 && start.1 >= 0.0 {
        // no counter was below 0
        before = before.min(sampled * (start.1 / start.0));
    }
    let after = gap(seconds(points.to - last_at));
    let mut factor = (sampled + before + after) / sampled;
    if over == Over::Rate {
        factor /= seconds(points.range_ms);
    }
    Some(match grown {
        Value::Float(grown) => Value::Float(grown * factor),
        Value::Histogram(grown) => Value::Histogram(Arc::new(native::scaled(&grown, factor))),
    })
}

fn is_counter_name(metric: &str) -> bool {
    let ends = ["_total", "_sum", "_count", "_bucket"];
    metric.is_empty() || ends.iter().any(|end| metric.ends_with(end))
}

/// The same of histograms. None, said why, where they do not fit.
fn histogram_growth(points: &Points<'_>, is_counter: bool) -> Option<Histogram> {
    let histograms: Vec<&Histogram> = points.histograms.iter().map(|(_, h)| &**h).collect();
    let (first, rest) = histograms.split_first()?;
    let (last, middle) = rest.split_last()?;
    let is_gauge = |histogram: &Histogram| histogram.reset_hint == ResetHint::Gauge;
    if is_counter {
        if histograms.iter().any(|histogram| is_gauge(histogram)) {
            points.note(Note::NotCounter);
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        points.note(Note::NotGauge);
    }
    let second = middle.first().unwrap_or(last);
    // what stood in the first sample is gone if the counter began anew right behind it
    let anew = Histogram {
        schema: second.schema,
        custom_bounds: second.custom_bounds.clone(),
        zero_threshold: second.zero_threshold,
        ..Histogram::default()
    };
    let first = if is_counter && native::is_reset(second, first) {
        &anew
    } else {
        first
    };
    let checked: &[&Histogram] = if is_counter { middle } else { &[] };
    let kinds = checked.iter().copied().chain([*last]);
    if kinds
        .into_iter()
        .any(|h| native::is_custom(h) != native::is_custom(first))
    {
        points.note(Note::MixedExponentialCustom);
        return None;
    }
    let mut reconciled = false;
    let mut took = |sum: Result<native::Sum, native::Incompatible>| {
        let sum = sum.ok()?;
        reconciled |= sum.is_reconciled;
        Some(sum.histogram)
    };
    let mut grown = took(native::sub(last, first))?;
    if is_counter {
        let mut before = first;
        for now in rest {
            if !std::ptr::eq(before, &raw const anew) && native::is_reset(now, before) {
                grown = took(native::add(&grown, before))?;
            }
            before = now;
        }
    }
    if reconciled {
        points
            .notes
            .add(Note::ReconciledBuckets(Operation::Subtraction));
    }
    grown.reset_hint = ResetHint::Gauge;
    Some(native::compacted(grown))
}

/// `irate` and `idelta`: of the last two samples.
pub(super) fn of_last_two(over: Over, points: &Points<'_>) -> Option<Value> {
    let is_rate = over == Over::Irate;
    if is_rate && !points.floats.is_empty() && !is_counter_name(points.metric) {
        points.note(Note::PossibleNonCounter);
    }
    let (mut floats, mut histograms) = (points.floats, points.histograms);
    let mut last_two = Vec::with_capacity(2);
    while last_two.len() < 2 {
        let takes_float = match (floats.last(), histograms.last()) {
            (Some((float, _)), Some((histogram, _))) => float > histogram,
            (float, histogram) => {
                if float.is_none() && histogram.is_none() {
                    return None;
                }
                float.is_some()
            }
        };
        if takes_float {
            let ((at, value), rest) = floats.split_last()?;
            last_two.push((*at, Value::Float(*value)));
            floats = rest;
        } else {
            let ((at, histogram), rest) = histograms.split_last()?;
            last_two.push((*at, Value::Histogram(Arc::clone(histogram))));
            histograms = rest;
        }
    }
    let (before_at, before) = last_two.pop()?;
    let (now_at, now) = last_two.pop()?;
    let interval = seconds(now_at - before_at);
    if interval == 0.0 {
        return None;
    }
    let divisor = if is_rate { interval } else { 1.0 };
    match (before, now) {
        (Value::Float(before), Value::Float(now)) => {
            let is_anew = is_rate && now < before;
            let grown = if is_anew { now } else { now - before };
            Some(Value::Float(grown / divisor))
        }
        (Value::Histogram(before), Value::Histogram(now)) => {
            let grown = between(points, is_rate, &before, &now)?;
            Some(Value::Histogram(Arc::new(native::divided(&grown, divisor))))
        }
        _ => {
            points.note(Note::MixedFloatsHistograms);
            None
        }
    }
}

fn between(
    points: &Points<'_>,
    is_rate: bool,
    before: &Histogram,
    now: &Histogram,
) -> Option<Histogram> {
    let gauges = [before, now].map(|histogram| histogram.reset_hint == ResetHint::Gauge);
    if is_rate && gauges.contains(&true) {
        points.note(Note::NotCounter);
    }
    if !is_rate && gauges.contains(&false) {
        points.note(Note::NotGauge);
    }
    let mut grown = if is_rate && native::is_reset(now, before) {
        now.clone()
    } else {
        match native::sub(now, before) {
            Ok(difference) => {
                if difference.is_reconciled {
                    points
                        .notes
                        .add(Note::ReconciledBuckets(Operation::Subtraction));
                }
                difference.histogram
            }
            Err(native::Incompatible) => {
                points.note(Note::MixedExponentialCustom);
                return None;
            }
        }
    };
    grown.reset_hint = ResetHint::Gauge;
    Some(native::compacted(grown))
}
