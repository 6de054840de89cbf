//! `rate`, `increase` and `irate` of a series of windows: what was added in the range, nothing guessed. In: windows. Out: the sum of those that end in
//! the range; of windows longer than the range the part that lies within.
//!
//! So the first increment counts, a late delta lands where it belongs, retention is no reset, ranges side by side add up to the whole, and counts stay
//! whole. Nothing is extrapolated: where windows are missing nothing was added.

use std::sync::Arc;

use super::super::histograms::Total;
use super::super::native;
use super::super::note::{Note, Notes};
use super::super::signature::Over;
use super::super::time::seconds;
use crate::{ResetHint, Value, Window};

/// The range of a step: (from, to] in unix ms.
#[derive(Debug, Clone, Copy)]
pub(in crate::promql) struct Range {
    pub(in crate::promql) from: i64,
    pub(in crate::promql) to: i64,
}

impl Range {
    /// Which part of a window counts.
    fn part_of(self, window: &Window) -> f64 {
        let (start, end) = (window.start_unix_ms, window.end_unix_ms);
        if end.saturating_sub(start) <= self.to.saturating_sub(self.from) {
            let is_in = end > self.from && end <= self.to;
            return f64::from(u8::from(is_in));
        }
        let within = end.min(self.to).saturating_sub(start.max(self.from));
        if within <= 0 {
            return 0.0;
        }
        seconds(within) / seconds(end.saturating_sub(start))
    }
}

/// `windows` are those that may overlap the range.
pub(in crate::promql) fn of_windows(
    over: Over,
    windows: &[Window],
    range: Range,
    (metric, notes): (&str, &Notes),
) -> Option<Value> {
    if over == Over::Irate {
        return of_last(windows, range, (metric, notes));
    }
    let added = added(windows, range, (metric, notes))?;
    let divisor = if over == Over::Rate {
        seconds(range.to.saturating_sub(range.from))
    } else {
        1.0
    };
    Some(divided(added, divisor))
}

fn divided(value: Value, divisor: f64) -> Value {
    match value {
        Value::Float(value) => Value::Float(value / divisor),
        Value::Histogram(histogram) => {
            Value::Histogram(Arc::new(native::divided(&histogram, divisor)))
        }
    }
}

fn added(windows: &[Window], range: Range, (metric, notes): (&str, &Notes)) -> Option<Value> {
    let mut floats: Option<f64> = None;
    let mut histograms: Option<Total> = None;
    for window in windows {
        let part = range.part_of(window);
        if part <= 0.0 {
            continue;
        }
        match &window.value {
            Value::Float(value) => *floats.get_or_insert(0.0) += value * part,
            Value::Histogram(histogram) => {
                let total = histograms.get_or_insert_default();
                if part < 1.0 {
                    total.add(&native::scaled(histogram, part));
                } else {
                    total.add(histogram);
                }
            }
        }
    }
    match (floats, histograms) {
        (Some(sum), None) => Some(Value::Float(sum)),
        (None, Some(total)) => total.finish(metric, notes).map(|mut sum| {
            sum.reset_hint = ResetHint::Gauge;
            Value::Histogram(Arc::new(sum))
        }),
        (Some(_), Some(_)) => {
            notes.add(Note::MixedFloatsHistograms(metric.to_owned()));
            None
        }
        (None, None) => None,
    }
}

/// What the windows that end last within the range added, by their length.
fn of_last(windows: &[Window], range: Range, names: (&str, &Notes)) -> Option<Value> {
    let within = windows.iter().filter(|window| {
        window.end_unix_ms > range.from
            && window.end_unix_ms <= range.to
            && window.start_unix_ms < window.end_unix_ms
    });
    let last = within.max_by_key(|window| (window.end_unix_ms, window.start_unix_ms))?;
    let whole = Range {
        from: last.start_unix_ms,
        to: last.end_unix_ms,
    };
    let added = added(windows, whole, names)?;
    Some(divided(added, seconds(whole.to.saturating_sub(whole.from))))
}
