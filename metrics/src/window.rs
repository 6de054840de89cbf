//! Windows of deltas: those of one span of time become one by adding, whatever order or block they came in.

use std::sync::Arc;

use crate::histogram::{Buckets, CUSTOM_SCHEMA, Histogram};
use crate::{Value, Window};

/// Sorts windows by (end, start) and adds those of one span of time, in the order given. Histograms that cannot be added stay side by side.
pub fn collapse(windows: &mut Vec<Window>) {
    windows.sort_by_key(|window| (window.end_unix_ms, window.start_unix_ms)); // stable: the order of offsets stays
    windows.dedup_by(|later, kept| {
        let same_span =
            (later.start_unix_ms, later.end_unix_ms) == (kept.start_unix_ms, kept.end_unix_ms);
        same_span && add(&mut kept.value, &later.value)
    });
}

/// Adds `other`; false if they are of different kinds.
pub(crate) fn add(to: &mut Value, other: &Value) -> bool {
    match (to, other) {
        (Value::Float(to), Value::Float(other)) => {
            *to += other;
            true
        }
        (Value::Histogram(to), Value::Histogram(other)) => {
            let sum = sum_of(to, other);
            let added = sum.is_some();
            if let Some(sum) = sum {
                *to = Arc::new(sum);
            }
            added
        }
        _ => false,
    }
}

/// The sum of two histograms at the lower of their resolutions: exact in every count. None if their buckets do not fit together.
fn sum_of(a: &Histogram, b: &Histogram) -> Option<Histogram> {
    let custom = a.schema == CUSTOM_SCHEMA || b.schema == CUSTOM_SCHEMA;
    if custom && (a.schema != b.schema || a.custom_bounds != b.custom_bounds) {
        return None;
    }
    if a.zero_threshold.to_bits() != b.zero_threshold.to_bits() || a.reset_hint != b.reset_hint {
        return None;
    }
    let schema = a.schema.min(b.schema);
    let side = |of: fn(&Histogram) -> &Buckets| {
        sum_of_buckets(
            &at_schema(of(a), a.schema, schema),
            &at_schema(of(b), b.schema, schema),
        )
    };
    Some(Histogram {
        schema,
        custom_bounds: a.custom_bounds.clone(),
        zero_threshold: a.zero_threshold,
        zero_count: a.zero_count + b.zero_count,
        count: a.count + b.count,
        sum: a.sum + b.sum,
        positive: side(|h| &h.positive)?,
        negative: side(|h| &h.negative)?,
        reset_hint: a.reset_hint,
    })
}

/// Buckets at a lower schema: bucket i, which ends at base^i, goes into ceil(i / 2^n).
pub(crate) fn at_schema(buckets: &Buckets, from: i32, to: i32) -> Buckets {
    let shift = (from - to).clamp(0, 31) as u32;
    if shift == 0 || buckets.counts.is_empty() {
        return buckets.clone();
    }
    let place = |idx: i64| ((idx - 1) >> shift) + 1;
    let first = place(i64::from(buckets.offset));
    let mut counts: Vec<f64> = Vec::new();
    for (idx, count) in (i64::from(buckets.offset)..).zip(&buckets.counts) {
        let at = usize::try_from(place(idx) - first).unwrap_or(0);
        counts.resize(counts.len().max(at + 1), 0.0);
        if let Some(slot) = counts.get_mut(at) {
            *slot += count;
        }
    }
    Buckets {
        offset: i32::try_from(first).unwrap_or(buckets.offset),
        counts,
    }
}

/// None if they lie so far apart that the sum would not be a reasonable histogram.
fn sum_of_buckets(a: &Buckets, b: &Buckets) -> Option<Buckets> {
    if b.counts.is_empty() {
        return Some(a.clone());
    }
    if a.counts.is_empty() {
        return Some(b.clone());
    }
    let end = |buckets: &Buckets| i64::from(buckets.offset) + buckets.counts.len() as i64;
    let first = i64::from(a.offset.min(b.offset));
    let n = usize::try_from(end(a).max(end(b)) - first).ok()?;
    if n > crate::chunk::histograms::BUCKETS_MAX {
        return None;
    }
    let mut counts = vec![0.0; n];
    for side in [a, b] {
        let at = usize::try_from(i64::from(side.offset) - first).ok()?;
        for (slot, count) in counts.iter_mut().skip(at).zip(&side.counts) {
            *slot += count;
        }
    }
    Some(Buckets {
        offset: a.offset.min(b.offset),
        counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(start: i64, end: i64, value: f64) -> Window {
        Window {
            start_unix_ms: start,
            end_unix_ms: end,
            value: Value::Float(value),
        }
    }

    #[test]
    fn windows_of_one_span_add_and_others_stay() {
        let mut windows = vec![
            float(10, 20, 1.0),
            float(0, 10, 2.0),
            float(10, 20, 4.0),
            float(5, 20, 8.0),
        ];
        collapse(&mut windows);
        assert_eq!(
            windows,
            [float(0, 10, 2.0), float(5, 20, 8.0), float(10, 20, 5.0)]
        );
    }

    fn histogram(schema: i32, offset: i32, counts: &[f64]) -> Histogram {
        Histogram {
            schema,
            count: counts.iter().sum(),
            sum: 1.5,
            positive: Buckets {
                offset,
                counts: counts.to_vec(),
            },
            ..Histogram::default()
        }
    }

    #[test]
    fn histograms_add_at_the_lower_resolution() {
        let sum = sum_of(
            &histogram(1, -1, &[1.0, 2.0, 3.0, 4.0]),
            &histogram(0, 1, &[10.0]),
        );
        let sum = sum.expect("they fit");
        // schema 1: buckets −1 0 | 1 2 of schema 1 are 0 and 1 of schema 0
        assert_eq!((sum.schema, sum.count, sum.sum), (0, 20.0, 3.0));
        assert_eq!(
            sum.positive,
            Buckets {
                offset: 0,
                counts: vec![3.0, 17.0]
            }
        );
        let mut custom = histogram(CUSTOM_SCHEMA, 0, &[1.0]);
        custom.custom_bounds = vec![1.0];
        assert_eq!(sum_of(&custom, &histogram(0, 0, &[1.0])), None);
    }
}
