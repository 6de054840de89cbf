//! Native histograms as PromQL computes with them: sums, differences, multiples. In: histograms of any layout. Out: histograms of the lower of their
//! resolutions, or [`Incompatible`] (exponential and custom buckets never fit).

mod bounds;
mod buckets;
mod quantile;
mod reset;
mod zero;

use crate::histogram::{Buckets, CUSTOM_SCHEMA};
use crate::{Histogram, ResetHint};

pub(super) use buckets::{Bucket, all_buckets, at_schema};
pub(super) use quantile::{QuantileNan, fraction, quantile, variance};
pub(super) use reset::is_reset;

/// One has exponential buckets, the other custom ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incompatible;

/// A sum or a difference, and what was noticed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sum {
    pub(super) histogram: Histogram,
    /// One began anew there, the other did not.
    pub(super) is_collision: bool,
    /// Custom bounds differed; those of both are left.
    pub(super) is_reconciled: bool,
}

pub(super) fn is_custom(histogram: &Histogram) -> bool {
    histogram.schema == CUSTOM_SCHEMA
}

pub(super) fn add(a: &Histogram, b: &Histogram) -> Result<Sum, Incompatible> {
    combine(a, b, 1.0)
}

/// The difference; `b` is taken from `a`.
pub(super) fn sub(a: &Histogram, b: &Histogram) -> Result<Sum, Incompatible> {
    combine(a, b, -1.0)
}

fn combine(a: &Histogram, b: &Histogram, sign: f64) -> Result<Sum, Incompatible> {
    if is_custom(a) != is_custom(b) {
        return Err(Incompatible);
    }
    let (reset_hint, is_collision) = hint_of(a.reset_hint, b.reset_hint);
    let mut sum = Histogram {
        count: a.count + sign * b.count,
        sum: a.sum + sign * b.sum,
        reset_hint,
        ..Histogram::default()
    };
    let is_reconciled = if is_custom(a) {
        let (a, b, bounds, is_reconciled) = bounds::reconciled(a, b);
        sum.schema = CUSTOM_SCHEMA;
        sum.custom_bounds = bounds;
        sum.positive = buckets::combine(&a, &b, sign).unwrap_or_default();
        is_reconciled
    } else {
        exponential(a, b, sign, &mut sum);
        false
    };
    Ok(Sum {
        histogram: sum,
        is_collision,
        is_reconciled,
    })
}

/// Zero buckets of one width first, then the buckets at the lower resolution, or a lower one if they lie too far apart.
fn exponential(a: &Histogram, b: &Histogram, sign: f64, sum: &mut Histogram) {
    let (a, b) = zero::reconciled(a, b);
    sum.zero_threshold = a.zero_threshold;
    sum.zero_count = a.zero_count + sign * b.zero_count;
    let mut schema = a.schema.min(b.schema);
    loop {
        let side = |of: fn(&Histogram) -> &Buckets| {
            buckets::combine(
                &at_schema(of(&a), a.schema, schema),
                &at_schema(of(&b), b.schema, schema),
                sign,
            )
        };
        if let (Some(positive), Some(negative)) = (side(|h| &h.positive), side(|h| &h.negative)) {
            sum.schema = schema;
            sum.positive = positive;
            sum.negative = negative;
            return;
        }
        schema -= 1; // 31 halvings make one bucket of any two
    }
}

fn hint_of(a: ResetHint, b: ResetHint) -> (ResetHint, bool) {
    use ResetHint::{Gauge, NotReset, Reset, Unknown};
    match (a, b) {
        (a, b) if a == b => (a, false),
        (Gauge, _) | (_, Gauge) => (Gauge, false),
        (Reset, NotReset) | (NotReset, Reset) => (Unknown, true),
        _ => (Unknown, false),
    }
}

/// Every count and the sum times `factor`. Under 0 it is no counter any more.
pub(super) fn scaled(histogram: &Histogram, factor: f64) -> Histogram {
    mapped(histogram, factor < 0.0, |count| count * factor)
}

/// Every count and the sum divided by `divisor`. By 0 there are no buckets left, as in Prometheus.
pub(super) fn divided(histogram: &Histogram, divisor: f64) -> Histogram {
    let mut divided = mapped(histogram, divisor < 0.0, |count| count / divisor);
    if divisor == 0.0 {
        divided.positive = Buckets::default();
        divided.negative = Buckets::default();
    }
    divided
}

fn mapped(histogram: &Histogram, is_gauge: bool, of: impl Fn(f64) -> f64) -> Histogram {
    let mut mapped = histogram.clone();
    let counts = mapped.positive.counts.iter_mut();
    let counts = counts.chain(&mut mapped.negative.counts);
    counts.for_each(|count| *count = of(*count));
    mapped.zero_count = of(mapped.zero_count);
    mapped.count = of(mapped.count);
    mapped.sum = of(mapped.sum);
    if is_gauge {
        mapped.reset_hint = ResetHint::Gauge;
    }
    mapped
}

/// The same without empty buckets at the ends.
pub(super) fn compacted(mut histogram: Histogram) -> Histogram {
    buckets::trim(&mut histogram.positive);
    buckets::trim(&mut histogram.negative);
    histogram
}

/// Whether both say the same, whatever empty buckets they have at the ends and however they know of resets.
pub(super) fn is_equal(a: &Histogram, b: &Histogram) -> bool {
    let key = |histogram: &Histogram| {
        let mut same = compacted(histogram.clone());
        same.reset_hint = ResetHint::Unknown;
        same
    };
    let both_nan = a.sum.is_nan() && b.sum.is_nan();
    let (mut a, mut b) = (key(a), key(b));
    if both_nan {
        (a.sum, b.sum) = (0.0, 0.0);
    }
    a == b
}

/// As Prometheus writes a histogram: `{count:3, sum:2, [-1,1]:1, (1,2]:2}`.
pub(super) fn text(histogram: &Histogram) -> String {
    use super::number::shortest;

    let mut text = format!(
        "{{count:{}, sum:{}",
        shortest(histogram.count),
        shortest(histogram.sum)
    );
    for bucket in all_buckets(histogram) {
        if bucket.count == 0.0 {
            continue;
        }
        // each side of zero is closed at the end that is further away from it
        let is_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0 && !is_custom(histogram);
        let (open, close) = match (is_zero, bucket.lower < 0.0 && !is_custom(histogram)) {
            (true, _) => ('[', ']'),
            (false, true) => ('[', ')'),
            (false, false) => ('(', ']'),
        };
        let (lower, upper) = (shortest(bucket.lower), shortest(bucket.upper));
        let part = format!(", {open}{lower},{upper}{close}:{}", shortest(bucket.count));
        text.push_str(&part);
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests;
