//! Classic buckets of an exponential histogram: what lies inside one of its buckets is spread evenly over the logarithm, as `histogram_quantile` does.

use crate::Histogram;

/// Observations of at most `bound` (which is positive), exact where it is a bucket's own.
pub(super) fn at_most(histogram: &Histogram, bound: f64) -> f64 {
    let negative: f64 = histogram.negative.counts.iter().sum();
    let place = libm::scalbn(libm::log2(bound), histogram.schema);
    let mut sum = histogram.zero_count + negative;
    for (idx, count) in (histogram.positive.offset..).zip(&histogram.positive.counts) {
        // bucket idx is (base^(idx − 1), base^idx]
        let share = (place - f64::from(idx) + 1.0).clamp(0.0, 1.0);
        sum += count * share;
    }
    sum
}

/// A bound as the label `le` has it.
pub(super) fn text(bound: f64) -> String {
    format!("{bound}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buckets;

    #[test]
    fn bounds_of_buckets_are_exact_and_others_lie_between() {
        let histogram = Histogram {
            schema: 1,
            zero_count: 1.0,
            count: 13.0,
            // (1, 1.41] and (1.41, 2], (2, 2.83]
            positive: Buckets {
                offset: 1,
                counts: vec![4.0, 8.0, 2.0],
            },
            ..Histogram::default()
        };
        #[track_caller]
        fn check(histogram: &Histogram, bound: f64, expected: f64) {
            let counted = at_most(histogram, bound);
            assert!((counted - expected).abs() < 1e-9, "{bound}: {counted}");
        }
        check(&histogram, 0.5, 1.0);
        check(&histogram, 1.0, 1.0);
        check(&histogram, 2.0, 13.0);
        check(&histogram, 4.0, 15.0);
        check(&histogram, libm::exp2(0.75), 9.0);
        assert_eq!(text(0.002), "0.002");
        assert_eq!(text(15000.0), "15000");
    }
}
