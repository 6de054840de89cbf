//! Sums, resets and quantiles of histograms.

use super::*;

fn exponential(schema: i32, offset: i32, counts: &[f64]) -> Histogram {
    Histogram {
        schema,
        zero_threshold: 1e-6,
        count: counts.iter().sum(),
        sum: counts.iter().sum::<f64>() * 1.5,
        positive: Buckets {
            offset,
            counts: counts.to_vec(),
        },
        ..Histogram::default()
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> Histogram {
    Histogram {
        schema: CUSTOM_SCHEMA,
        custom_bounds: bounds.to_vec(),
        ..exponential(0, 0, counts)
    }
}

#[test]
fn sums_are_at_the_lower_resolution_and_differences_too() {
    let (a, b) = (exponential(1, 1, &[1.0, 2.0]), exponential(0, 1, &[5.0]));
    let sum = add(&a, &b).expect("they fit");
    assert_eq!((sum.histogram.schema, sum.histogram.count), (0, 8.0));
    assert_eq!(sum.histogram.positive.counts, [8.0]);
    let back = sub(&sum.histogram, &b).expect("they fit").histogram;
    assert_eq!(back.positive.counts, [3.0]);
    assert_eq!(add(&a, &custom(&[1.0], &[1.0])), Err(Incompatible));
}

#[test]
fn buckets_that_lie_far_apart_are_added_at_a_resolution_that_holds_both() {
    let (a, b) = (
        exponential(8, -200_000, &[1.0]),
        exponential(8, 200_000, &[1.0]),
    );
    let sum = add(&a, &b).expect("they fit").histogram;
    assert_eq!(sum.positive.counts.iter().sum::<f64>(), 2.0);
    assert!(sum.schema < 8);
}

#[test]
fn a_wider_zero_bucket_takes_what_lies_within() {
    let mut a = exponential(0, 1, &[1.0, 1.0, 1.0]); // (1, 2] (2, 4] (4, 8]
    let mut b = exponential(0, 3, &[1.0]);
    b.zero_threshold = 3.0; // within (2, 4]
    b.zero_count = 1.0;
    b.count += 1.0;
    let sum = add(&a, &b).expect("they fit").histogram;
    assert_eq!((sum.zero_threshold, sum.zero_count), (4.0, 3.0));
    assert_eq!(compacted(sum).positive.counts, [2.0]);
    a.zero_threshold = 8.0;
    assert_eq!(zero::zero_count(&b, 8.0), (2.0, 8.0));
}

#[test]
fn custom_bounds_that_differ_leave_those_of_both() {
    let a = custom(&[1.0, 2.0, 4.0], &[1.0, 1.0, 1.0, 1.0]);
    let b = custom(&[1.0, 4.0], &[10.0, 10.0, 10.0]);
    let sum = add(&a, &b).expect("they fit");
    assert!(sum.is_reconciled);
    assert_eq!(sum.histogram.custom_bounds, [1.0, 4.0]);
    assert_eq!(sum.histogram.positive.counts, [11.0, 12.0, 11.0]);
}

#[test]
fn resets_are_seen_by_counts_and_hints() {
    let before = exponential(0, 0, &[1.0, 2.0]);
    let grown = exponential(0, 0, &[1.0, 3.0]);
    let moved = exponential(0, 0, &[3.0, 1.0]);
    let coarse = exponential(-1, 0, &[1.0, 2.0]);
    assert!(!is_reset(&grown, &before));
    assert!(is_reset(&before, &grown));
    assert!(is_reset(&moved, &before));
    assert!(!is_reset(&coarse, &before));
    assert!(is_reset(&before, &coarse));
    let hinted = |reset_hint| Histogram {
        reset_hint,
        ..moved.clone()
    };
    assert!(!is_reset(&hinted(ResetHint::NotReset), &before));
    assert!(is_reset(
        &Histogram {
            reset_hint: ResetHint::Reset,
            ..grown
        },
        &before
    ));
    assert!(is_reset(&custom(&[1.0], &[9.0]), &before));
}

#[test]
fn quantiles_lie_on_a_logarithmic_scale() {
    let histogram = exponential(0, 1, &[2.0, 2.0]); // (1, 2] (2, 4]
    for (q, expected) in [
        (0.0, 1.0),
        (0.25, 2_f64.sqrt()),
        (0.5, 2.0),
        (0.75, 8_f64.sqrt()),
        (1.0, 4.0),
        (-0.1, f64::NEG_INFINITY),
        (1.1, f64::INFINITY),
    ] {
        let (got, _) = quantile(q, &histogram);
        assert!(
            got == expected || (got - expected).abs() < 1e-12,
            "{q}: {got}"
        );
    }
    assert!(quantile(0.5, &Histogram::default()).0.is_nan());
    assert!(quantile(f64::NAN, &histogram).0.is_nan());
    let mut nan = histogram;
    nan.sum = f64::NAN;
    nan.count = 8.0;
    assert_eq!(quantile(0.25, &nan), (2.0, QuantileNan::Skew));
    assert_eq!(quantile(0.9, &nan).1, QuantileNan::Result);
    nan.positive = Buckets::default();
    assert_eq!(quantile(0.25, &nan).1, QuantileNan::Result);
}

#[test]
fn quantiles_of_custom_buckets_lie_evenly() {
    let histogram = custom(&[1.0, 2.0], &[2.0, 2.0, 2.0]);
    for (q, expected) in [(0.0, 0.0), (1.0 / 6.0, 0.5), (0.5, 1.5), (1.0, 2.0)] {
        assert!((quantile(q, &histogram).0 - expected).abs() < 1e-12, "{q}");
    }
    assert_eq!(quantile(0.1, &custom(&[-1.0], &[1.0])).0, -1.0);
}

#[test]
fn fractions_are_the_other_way_round() {
    let histogram = exponential(0, 1, &[2.0, 2.0]);
    for (lower, upper, expected) in [
        (1.0, 4.0, 1.0),
        (1.0, 2.0, 0.5),
        (8_f64.sqrt(), f64::INFINITY, 0.25),
        (f64::NEG_INFINITY, f64::INFINITY, 1.0),
        (4.0, 9.0, 0.0),
        (2.0, 1.0, 0.0),
    ] {
        let got = fraction(lower, upper, &histogram);
        assert!((got - expected).abs() < 1e-12, "{lower} {upper}: {got}");
    }
    assert!(fraction(f64::NAN, 1.0, &histogram).is_nan());
    assert!(fraction(0.0, 1.0, &Histogram::default()).is_nan());
}

#[test]
fn the_variance_takes_the_middle_of_each_bucket() {
    let mut histogram = exponential(0, 2, &[4.0]); // (2, 4]
    histogram.sum = 4.0 * 8_f64.sqrt();
    assert!(variance(&histogram).abs() < 1e-12);
    histogram.sum = 0.0;
    assert!((variance(&histogram) - 8.0).abs() < 1e-12);
}

#[test]
fn multiples_of_a_histogram_are_multiples_of_all_its_counts() {
    let histogram = exponential(0, 1, &[2.0, 4.0]);
    let half = divided(&histogram, 2.0);
    assert_eq!(
        (half.count, half.positive.counts.as_slice()),
        (3.0, &[1.0, 2.0][..])
    );
    assert_eq!(scaled(&histogram, -1.0).reset_hint, ResetHint::Gauge);
    assert!(divided(&histogram, 0.0).positive.counts.is_empty());
    assert!(is_equal(&scaled(&half, 2.0), &histogram));
}

proptest::proptest! {
    #[test]
    fn any_two_histograms_add_without_losing_observations(
        (schema_a, schema_b) in (-4_i32..=8, -4_i32..=8),
        (offset_a, offset_b) in (-1_000_000_i32..1_000_000, -1_000_000_i32..1_000_000),
        a in proptest::collection::vec(0_u8..9, 0..20),
        b in proptest::collection::vec(0_u8..9, 0..20),
        (zero_a, zero_b) in (0.0_f64..10.0, 0.0_f64..10.0),
    ) {
        let of = |schema, offset, counts: &[u8], zero_threshold| {
            let counts: Vec<f64> = counts.iter().map(|count| f64::from(*count)).collect();
            Histogram { zero_threshold, ..exponential(schema, offset, &counts) }
        };
        let (a, b) = (of(schema_a, offset_a, &a, zero_a), of(schema_b, offset_b, &b, zero_b));
        let sum = add(&a, &b).expect("both are exponential").histogram;
        let in_buckets: f64 = sum.positive.counts.iter().sum::<f64>() + sum.zero_count;
        proptest::prop_assert_eq!(in_buckets, a.count + b.count);
        let (value, _) = quantile(0.5, &sum);
        proptest::prop_assert!(sum.count == 0.0 || !value.is_nan());
        proptest::prop_assert!(!is_reset(&sum, &a) || sum.schema > a.schema || is_reset(&sum, &a));
    }
}
