//! Signals from series: what a counter grows by in a second, what a gauge says, one by the other. In: series in a range. Out: a value for each moment of a
//! grid, NaN where there is none. Pure.
//!
//! A rate looks back over three readings, however often they come: 30 s for an agent that reads each 10 s, 3 s for a container that is read each second.

use ::metrics::{Points, SeriesData, Value, Window};
use telemetry::signals::{Expression, Only, Part, Pick};

use super::constants::{READINGS, WINDOW_MS, WINDOW_MS_MAX, WINDOW_MS_MIN};
use super::grid::Grid;

/// A value for each moment; none if no series is there at all.
pub(super) fn evaluate(value: &Expression, series: &[&SeriesData], grid: Grid) -> Option<Vec<f64>> {
    match value {
        Expression::Rate(pick) => sum(picked(pick, series), grid, rates),
        Expression::Value(pick) => sum(picked(pick, series), grid, values),
        Expression::Ratio(a, b) => {
            let (a, b) = (evaluate(a, series, grid)?, evaluate(b, series, grid)?);
            let ratio = |(a, b): (f64, f64)| if b == 0.0 { f64::NAN } else { a / b };
            Some(a.into_iter().zip(b).map(ratio).collect())
        }
        Expression::Rest(of) => {
            let of = evaluate(of, series, grid)?;
            Some(of.into_iter().map(|value| 1.0 - value).collect())
        }
    }
}

/// Series that a pick means.
pub(super) fn picked<'a>(
    pick: &'a Pick,
    series: &'a [&'a SeriesData],
) -> impl Iterator<Item = &'a SeriesData> {
    let meets = |one: &SeriesData| {
        pick.only.is_none_or(|only| {
            let value = first_label(one, only.labels).map_or("", |(_, value)| value);
            only.values.contains(&value) == only.is
        })
    };
    let all = series.iter().copied();
    all.filter(move |one| one.labels.name() == pick.metric && meets(one))
}

/// The first of several labels that a series has, with its value.
pub(super) fn first_label<'a>(
    series: &'a SeriesData,
    labels: &[&'static str],
) -> Option<(&'static str, &'a str)> {
    labels.iter().find_map(|label| {
        let value = series.labels.get(label);
        (!value.is_empty()).then_some((*label, value))
    })
}

/// The label under which the series of a condition have what it asks for.
pub(super) fn label_of(only: &Only, series: &[&SeriesData]) -> &'static str {
    let found = series.iter().find_map(|one| first_label(one, only.labels));
    let first = only.labels.first().copied().unwrap_or("");
    found.map_or(first, |(label, _)| label)
}

/// The parts of an entity that its series tell of.
pub(super) fn parts(part: &Part, series: &[&SeriesData]) -> Vec<String> {
    let values = series
        .iter()
        .filter_map(|one| first_label(one, part.labels));
    let mut values: Vec<String> = values.map(|(_, value)| value.to_owned()).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// How far back is looked for a value of this series.
pub(super) fn window_ms(series: &SeriesData) -> i64 {
    let mut between: Vec<i64> = match &series.points {
        Points::Samples(samples) => {
            let pairs = samples.floats.iter().zip(samples.floats.iter().skip(1));
            pairs.map(|((a, _), (b, _))| b - a).collect()
        }
        Points::Windows(windows) => windows
            .iter()
            .map(|window| window.end_unix_ms - window.start_unix_ms)
            .collect(),
    };
    let middle = between.len() / 2;
    if between.is_empty() {
        return WINDOW_MS;
    }
    let (_, median, _) = between.select_nth_unstable(middle);
    median
        .saturating_mul(READINGS)
        .clamp(WINDOW_MS_MIN, WINDOW_MS_MAX)
}

/// Unix ms of its newest point.
pub(super) fn newest(series: &SeriesData) -> Option<i64> {
    match &series.points {
        Points::Samples(samples) => samples.floats.last().map(|(at, _)| *at),
        Points::Windows(windows) => windows.last().map(|window| window.end_unix_ms),
    }
}

fn sum<'a>(
    series: impl Iterator<Item = &'a SeriesData>,
    grid: Grid,
    of_one: fn(&SeriesData, Grid) -> Vec<f64>,
) -> Option<Vec<f64>> {
    series
        .map(|one| of_one(one, grid))
        .reduce(|sum, one| sum.into_iter().zip(one).map(added).collect())
}

/// What is not there adds nothing.
fn added((a, b): (f64, f64)) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, _) => b,
        (_, true) => a,
        _ => a + b,
    }
}

/// Points that are values, without the marks of an end.
fn floats(series: &SeriesData) -> Vec<(i64, f64)> {
    match &series.points {
        Points::Samples(samples) => {
            let finite = samples.floats.iter().filter(|(_, value)| value.is_finite());
            finite.copied().collect()
        }
        Points::Windows(_) => Vec::new(),
    }
}

fn values(series: &SeriesData, grid: Grid) -> Vec<f64> {
    let (points, window_ms) = (floats(series), window_ms(series));
    let value = |at: i64| {
        let n = points.partition_point(|(time, _)| *time <= at);
        let last = n.checked_sub(1).and_then(|idx| points.get(idx));
        last.filter(|(time, _)| *time > at - window_ms)
            .map_or(f64::NAN, |(_, value)| *value)
    };
    grid.moments().map(value).collect()
}

fn rates(series: &SeriesData, grid: Grid) -> Vec<f64> {
    let window_ms = window_ms(series);
    match &series.points {
        Points::Samples(_) => {
            let grown = grown(&floats(series));
            let rate = |at| rate(&grown, at - window_ms, at);
            grid.moments().map(rate).collect()
        }
        Points::Windows(windows) => {
            let rate = |at| rate_of_windows(windows, at - window_ms, at);
            grid.moments().map(rate).collect()
        }
    }
}

/// A counter without its resets: where it falls it began again from 0.
fn grown(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let (mut sum, mut before) = (0.0, None);
    let step = |(at, value): &(i64, f64)| {
        sum += match before.replace(*value) {
            Some(before) if *value >= before => value - before,
            Some(_) => *value,
            None => 0.0,
        };
        (*at, sum)
    };
    points.iter().map(step).collect()
}

/// Growth a second between the first and the last point in (from, to].
fn rate(grown: &[(i64, f64)], from: i64, to: i64) -> f64 {
    let first = grown.partition_point(|(at, _)| *at <= from);
    let end = grown.partition_point(|(at, _)| *at <= to);
    let ends = end
        .checked_sub(1)
        .and_then(|last| Some((grown.get(first)?, grown.get(last)?)));
    match ends {
        Some(((from, before), (to, after))) if to > from => {
            (after - before) / ((to - from) as f64 / 1_000.0)
        }
        _ => f64::NAN,
    }
}

/// What was added in the windows that ended in (from, to], by their length.
fn rate_of_windows(windows: &[Window], from: i64, to: i64) -> f64 {
    let first = windows.partition_point(|window| window.end_unix_ms <= from);
    let within = windows
        .iter()
        .skip(first)
        .take_while(|window| window.end_unix_ms <= to);
    let (mut sum, mut length_ms) = (0.0, 0);
    for window in within {
        if let Value::Float(value) = window.value {
            sum += value;
            length_ms += (window.end_unix_ms - window.start_unix_ms).max(0);
        }
    }
    if length_ms == 0 {
        f64::NAN
    } else {
        sum / (length_ms as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests;
