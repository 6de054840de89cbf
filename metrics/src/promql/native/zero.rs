//! Zero buckets of different widths: the narrower one is widened, and takes what lies within.

use std::borrow::Cow;

use super::buckets::upper_bound;
use crate::Histogram;
use crate::histogram::Buckets;

/// Both with the same width of the zero bucket.
pub(super) fn reconciled<'a>(
    a: &'a Histogram,
    b: &'a Histogram,
) -> (Cow<'a, Histogram>, Cow<'a, Histogram>) {
    let (mut a, mut b) = (Cow::Borrowed(a), Cow::Borrowed(b));
    // A bucket that the wider threshold cuts widens it: at most as often as there are buckets.
    let n_buckets = |h: &Histogram| h.positive.counts.len() + h.negative.counts.len();
    for _ in 0..=n_buckets(&a) + n_buckets(&b) + 1 {
        if a.zero_threshold < b.zero_threshold {
            a = Cow::Owned(widened(&a, b.zero_threshold));
        } else if b.zero_threshold < a.zero_threshold {
            b = Cow::Owned(widened(&b, a.zero_threshold));
        } else {
            break;
        }
    }
    (a, b)
}

/// With a zero bucket of at least that width.
fn widened(histogram: &Histogram, threshold: f64) -> Histogram {
    let (zero_count, zero_threshold) = zero_count(histogram, threshold);
    let mut widened = Histogram {
        zero_count,
        zero_threshold,
        ..histogram.clone()
    };
    for side in [&mut widened.positive, &mut widened.negative] {
        empty_below(side, histogram.schema, zero_threshold);
    }
    super::compacted(widened)
}

pub(super) fn empty_below(side: &mut Buckets, schema: i32, threshold: f64) {
    for (idx, count) in (i64::from(side.offset)..).zip(&mut side.counts) {
        if upper_bound(idx - 1, schema) < threshold {
            *count = 0.0;
        }
    }
}

/// Observations within a wider zero bucket, and its width: up to the end of a bucket with observations that it would cut.
pub(super) fn zero_count(histogram: &Histogram, threshold: f64) -> (f64, f64) {
    let mut threshold = threshold;
    loop {
        let mut count = histogram.zero_count;
        let mut wider = threshold;
        for side in [&histogram.positive, &histogram.negative] {
            for (idx, of_bucket) in (i64::from(side.offset)..).zip(&side.counts) {
                if upper_bound(idx - 1, histogram.schema) >= threshold {
                    break;
                }
                count += of_bucket;
                if *of_bucket != 0.0 {
                    wider = wider.max(upper_bound(idx, histogram.schema));
                }
            }
        }
        if wider <= threshold {
            return (count, threshold);
        }
        threshold = wider;
    }
}
