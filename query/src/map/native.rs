//! Histograms of the store as those of spans, which they were made of.

use ::metrics::Histogram;
use telemetry::histogram::{Counts, ExpHistogram};

/// The same counts; none if it is no histogram of durations of ours: of another resolution, with custom or negative buckets.
pub(crate) fn durations(native: &Histogram) -> Option<ExpHistogram> {
    if native.negative.counts.iter().any(|count| *count != 0.0) {
        return None;
    }
    let scale = i8::try_from(native.schema).ok()?;
    let counts = &native.positive.counts;
    let first = counts.iter().position(|count| *count > 0.0);
    let last = counts.iter().rposition(|count| *count > 0.0);
    let (offset, buckets) = match (first, last) {
        (Some(first), Some(last)) => {
            let skipped = i32::try_from(first).ok()?;
            // the store's bucket i + 1 begins where the bucket i of spans does
            let offset = native
                .positive
                .offset
                .checked_add(skipped)?
                .checked_sub(1)?;
            (offset, counts.get(first..=last).unwrap_or_default())
        }
        _ => (0, &[][..]),
    };
    let is_whole = |count: &f64| *count >= 0.0 && *count <= WHOLE_MAX && count.fract() == 0.0;
    let counts = if is_whole(&native.zero_count) && buckets.iter().all(is_whole) {
        Counts::Whole {
            zero: native.zero_count as u64,
            buckets: buckets.iter().map(|count| *count as u64).collect(),
        }
    } else {
        Counts::Weighted {
            zero: native.zero_count,
            buckets: buckets.to_vec(),
        }
    };
    ExpHistogram::from_parts(scale, offset, counts, native.sum)
}

/// Largest number up to which every whole one is a float: 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use ::metrics::Buckets;

    use super::*;

    fn native(histogram: &ExpHistogram) -> Histogram {
        Histogram {
            schema: i32::from(histogram.scale()),
            zero_count: histogram.zero_count(),
            count: histogram.count(),
            sum: histogram.sum(),
            positive: Buckets {
                offset: histogram.offset() + 1,
                counts: histogram.buckets().collect(),
            },
            ..Histogram::default()
        }
    }

    #[test]
    fn what_spans_gave_comes_back() {
        let mut whole = ExpHistogram::new();
        [0.0, 0.1, 0.1, 7.0].iter().for_each(|s| whole.observe(*s));
        let mut weighted = ExpHistogram::new();
        weighted.observe_weighted(0.2, 2.5);
        for histogram in [whole, weighted, ExpHistogram::new()] {
            assert_eq!(durations(&native(&histogram)), Some(histogram));
        }
    }

    #[test]
    fn empty_ends_are_cut_and_other_histograms_are_none() {
        let mut histogram = ExpHistogram::new();
        histogram.observe(1.5);
        let mut padded = native(&histogram);
        padded.positive.offset -= 1;
        padded.positive.counts.insert(0, 0.0);
        padded.positive.counts.push(0.0);
        assert_eq!(durations(&padded), Some(histogram));
        padded.schema = 8;
        assert_eq!(durations(&padded), None);
        padded.schema = -53;
        assert_eq!(durations(&padded), None);
    }
}
