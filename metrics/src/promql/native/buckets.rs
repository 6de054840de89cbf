//! Buckets: where they lie, and how two rows of them become one.

use crate::Histogram;
use crate::chunk::histograms::BUCKETS_MAX;
use crate::histogram::Buckets;

pub(in crate::promql) use crate::window::at_schema;

use super::is_custom;

/// Observations in (lower, upper]; of the zero bucket in [lower, upper].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::promql) struct Bucket {
    pub(in crate::promql) lower: f64,
    pub(in crate::promql) upper: f64,
    pub(in crate::promql) count: f64,
}

/// All buckets in order of their bounds, the zero bucket among them if it has observations.
pub(in crate::promql) fn all_buckets(histogram: &Histogram) -> Vec<Bucket> {
    if is_custom(histogram) {
        return custom(histogram);
    }
    let side = |buckets: &Buckets| -> Vec<Bucket> {
        let indexed = (i64::from(buckets.offset)..).zip(&buckets.counts);
        let bucket = |(idx, count): (i64, &f64)| Bucket {
            lower: upper_bound(idx - 1, histogram.schema),
            upper: upper_bound(idx, histogram.schema),
            count: *count,
        };
        indexed.map(bucket).collect()
    };
    let mut all: Vec<Bucket> = side(&histogram.negative)
        .into_iter()
        .rev()
        .map(|bucket| Bucket {
            lower: -bucket.upper,
            upper: -bucket.lower,
            ..bucket
        })
        .collect();
    if histogram.zero_count > 0.0 {
        all.push(Bucket {
            lower: -histogram.zero_threshold,
            upper: histogram.zero_threshold,
            count: histogram.zero_count,
        });
    }
    all.extend(side(&histogram.positive));
    all
}

fn custom(histogram: &Histogram) -> Vec<Bucket> {
    let bounds = &histogram.custom_bounds;
    let bound = |idx: i64| -> f64 {
        let Ok(idx) = usize::try_from(idx) else {
            return f64::NEG_INFINITY;
        };
        bounds.get(idx).copied().unwrap_or(f64::INFINITY)
    };
    let indexed = (i64::from(histogram.positive.offset)..).zip(&histogram.positive.counts);
    indexed
        .map(|(idx, count)| Bucket {
            lower: bound(idx - 1),
            upper: bound(idx),
            count: *count,
        })
        .collect()
}

/// base^idx, base = 2^(2^−schema). The last bucket of numbers ends at the largest of them.
#[expect(clippy::cast_precision_loss, reason = "an index of a bucket is an i32")]
pub(super) fn upper_bound(idx: i64, schema: i32) -> f64 {
    let exponent = idx as f64 * libm::exp2(f64::from(-schema));
    if exponent == 1024.0 {
        f64::MAX
    } else {
        libm::exp2(exponent)
    }
}

/// `a + sign × b`, of one resolution. None if they lie so far apart that it would not be a reasonable histogram.
pub(super) fn combine(a: &Buckets, b: &Buckets, sign: f64) -> Option<Buckets> {
    if b.counts.is_empty() {
        return Some(a.clone());
    }
    let end = |buckets: &Buckets| i64::from(buckets.offset) + buckets.counts.len() as i64;
    let (first, last) = if a.counts.is_empty() {
        (b.offset, end(b))
    } else {
        (a.offset.min(b.offset), end(a).max(end(b)))
    };
    let n = usize::try_from(last - i64::from(first)).ok()?;
    if n > BUCKETS_MAX {
        return None;
    }
    let mut counts = vec![0.0; n];
    for (side, sign) in [(a, 1.0), (b, sign)] {
        let skipped = i64::from(side.offset) - i64::from(first);
        let Ok(at) = usize::try_from(skipped) else {
            continue; // an empty side may lie anywhere
        };
        for (slot, count) in counts.iter_mut().skip(at).zip(&side.counts) {
            *slot += sign * count;
        }
    }
    Some(Buckets {
        offset: first,
        counts,
    })
}

/// Cuts empty buckets off the ends.
pub(super) fn trim(buckets: &mut Buckets) {
    let first = buckets.counts.iter().position(|count| *count != 0.0);
    let Some(first) = first else {
        *buckets = Buckets::default();
        return;
    };
    let last = buckets.counts.iter().rposition(|count| *count != 0.0);
    buckets.counts.truncate(last.map_or(0, |last| last + 1));
    buckets.counts.drain(..first);
    let first = i32::try_from(first).unwrap_or(i32::MAX);
    buckets.offset = buckets.offset.saturating_add(first);
}
