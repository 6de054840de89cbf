//! Whether a counter of histograms began anew between two samples.

use super::{at_schema, bounds, is_custom, zero};
use crate::histogram::Buckets;
use crate::{Histogram, ResetHint};

pub(in crate::promql) fn is_reset(current: &Histogram, previous: &Histogram) -> bool {
    match current.reset_hint {
        ResetHint::Reset => return true,
        ResetHint::NotReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    if current.count < previous.count || is_custom(current) != is_custom(previous) {
        return true;
    }
    if is_custom(current) {
        if current.custom_bounds == previous.custom_bounds {
            return has_less(&current.positive, &previous.positive);
        }
        let (current, previous, ..) = bounds::reconciled(current, previous);
        return has_less(&current, &previous);
    }
    if current.schema > previous.schema || current.zero_threshold < previous.zero_threshold {
        return true;
    }
    let (zero_count, threshold) = zero::zero_count(previous, current.zero_threshold);
    if threshold > current.zero_threshold || current.zero_count < zero_count {
        return true;
    }
    let sides = [
        (&current.positive, &previous.positive),
        (&current.negative, &previous.negative),
    ];
    sides.into_iter().any(|(now, before)| {
        let mut before = before.clone();
        zero::empty_below(&mut before, previous.schema, threshold);
        has_less(now, &at_schema(&before, previous.schema, current.schema))
    })
}

/// Whether a bucket has fewer observations than before.
fn has_less(now: &Buckets, before: &Buckets) -> bool {
    let first = i64::from(now.offset);
    (i64::from(before.offset)..)
        .zip(&before.counts)
        .any(|(idx, count)| {
            let at = usize::try_from(idx - first).ok();
            let now = at.and_then(|at| now.counts.get(at)).copied();
            now.unwrap_or(0.0) < *count
        })
}
