//! Quantiles, fractions and the variance of a histogram, estimated: within exponential buckets on a logarithmic scale, else evenly.

use super::{Bucket, all_buckets, is_custom};
use crate::Histogram;

/// What observations of NaN did to a quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::promql) enum QuantileNan {
    None,
    /// The quantile lies among them.
    Result,
    /// They count as greater than all others.
    Skew,
}

pub(in crate::promql) fn quantile(q: f64, histogram: &Histogram) -> (f64, QuantileNan) {
    let plain = |value: f64| (value, QuantileNan::None);
    if q < 0.0 {
        return plain(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return plain(f64::INFINITY);
    }
    if histogram.count == 0.0 || q.is_nan() {
        return plain(f64::NAN);
    }
    let mut buckets = all_buckets(histogram);
    let has_nan = histogram.sum.is_nan();
    // from the nearer end, but NaN is in no bucket and only the lower end is sure
    let is_forward = has_nan || q < 0.5;
    if !is_forward {
        buckets.reverse();
    }
    let rank = histogram.count * if is_forward { q } else { 1.0 - q };
    let mut seen = 0.0;
    let mut at = None;
    for bucket in buckets.into_iter().filter(|bucket| bucket.count != 0.0) {
        seen += bucket.count;
        at = Some(bucket);
        if seen >= rank {
            break;
        }
    }
    let Some(bucket) = at else {
        let nan = if has_nan {
            QuantileNan::Result
        } else {
            QuantileNan::None
        };
        return (f64::NAN, nan);
    };
    let seen = seen.min(histogram.count);
    if seen < rank {
        return if has_nan {
            (f64::NAN, QuantileNan::Result)
        } else {
            plain(bucket.upper)
        };
    }
    let rank = if is_forward {
        rank - (seen - bucket.count)
    } else {
        seen - rank
    };
    let value = within(histogram, bucket, rank / bucket.count);
    let nan = if has_nan {
        QuantileNan::Skew
    } else {
        QuantileNan::None
    };
    (value, nan)
}

/// The value so far into a bucket.
fn within(histogram: &Histogram, bucket: Bucket, fraction: f64) -> f64 {
    let bucket = narrowed(histogram, bucket);
    let Bucket { lower, upper, .. } = bucket;
    if is_custom(histogram) {
        if lower.is_infinite() {
            return upper;
        }
        if upper.is_infinite() {
            return lower;
        }
    }
    if is_custom(histogram) || (lower <= 0.0 && upper >= 0.0) {
        return lower + (upper - lower) * fraction;
    }
    if lower.is_infinite() || upper.is_infinite() {
        return f64::INFINITY.copysign(lower); // of observations that were infinite
    }
    let (log_lower, log_upper) = (libm::log2(lower.abs()), libm::log2(upper.abs()));
    if lower > 0.0 {
        libm::exp2(log_lower + (log_upper - log_lower) * fraction)
    } else {
        -libm::exp2(log_upper + (log_lower - log_upper) * (1.0 - fraction))
    }
}

/// A zero bucket beside which only one sign was seen ends at 0, and so does the first custom bucket if it reaches over it.
fn narrowed(histogram: &Histogram, bucket: Bucket) -> Bucket {
    let mut bucket = bucket;
    if is_custom(histogram) {
        if bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
            bucket.lower = 0.0;
        }
    } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
        let has_positive = !histogram.positive.counts.is_empty();
        let has_negative = !histogram.negative.counts.is_empty();
        match (has_negative, has_positive) {
            (false, true) => bucket.lower = 0.0,
            (true, false) => bucket.upper = 0.0,
            _ => {}
        }
    }
    bucket
}

/// The part of the observations in (lower, upper]; NaN observations are in none.
pub(in crate::promql) fn fraction(lower: f64, upper: f64, histogram: &Histogram) -> f64 {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
    let buckets = all_buckets(histogram);
    let in_buckets: f64 = buckets.iter().map(|bucket| bucket.count).sum();
    for bucket in buckets {
        let bucket = narrowed(histogram, bucket);
        for (value, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if found.is_some() {
                continue;
            }
            if bucket.lower >= value {
                *found = Some(rank);
            } else if bucket.upper > value {
                *found = Some(rank + bucket.count * part_below(histogram, bucket, value));
            }
        }
        rank += bucket.count;
    }
    let count = if histogram.sum.is_nan() {
        in_buckets
    } else {
        histogram.count
    };
    let known = |rank: Option<f64>| rank.map_or(count, |rank| rank.min(count));
    (known(upper_rank) - known(lower_rank)) / histogram.count
}

/// Which part of a bucket lies below a value within it.
fn part_below(histogram: &Histogram, bucket: Bucket, value: f64) -> f64 {
    let Bucket { lower, upper, .. } = bucket;
    if lower == f64::NEG_INFINITY {
        return 1.0; // as the quantile, which is the upper bound there
    }
    if upper == f64::INFINITY {
        return 0.0;
    }
    if is_custom(histogram) || (lower <= 0.0 && upper >= 0.0) {
        return (value - lower) / (upper - lower);
    }
    let (log_lower, log_upper) = (libm::log2(lower.abs()), libm::log2(upper.abs()));
    let log_value = libm::log2(value.abs());
    if value > 0.0 {
        (log_value - log_lower) / (log_upper - log_lower)
    } else {
        1.0 - (log_value - log_upper) / (log_lower - log_upper)
    }
}

/// The population variance, every observation taken for the middle of its bucket.
pub(in crate::promql) fn variance(histogram: &Histogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let mut sum = super::super::kahan::Sum::default();
    for bucket in all_buckets(histogram) {
        if bucket.count == 0.0 {
            continue;
        }
        let Bucket { lower, upper, .. } = bucket;
        let middle = if is_custom(histogram) {
            f64::midpoint(lower, upper)
        } else if lower <= 0.0 && upper >= 0.0 {
            0.0
        } else {
            (upper * lower).sqrt().copysign(upper)
        };
        let delta = middle - mean;
        sum.add(bucket.count * delta * delta);
    }
    sum.value() / histogram.count
}
