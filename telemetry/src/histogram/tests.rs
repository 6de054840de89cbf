use proptest::prelude::*;

use super::*;

fn of(values: &[f64]) -> ExpHistogram {
    let mut histogram = ExpHistogram::new();
    values.iter().for_each(|value| histogram.observe(*value));
    histogram
}

fn shape(histogram: &ExpHistogram) -> (i8, i32, Vec<f64>, f64) {
    let buckets = histogram.buckets().collect();
    (
        histogram.scale(),
        histogram.offset(),
        buckets,
        histogram.zero_count(),
    )
}

/// What the buckets must be, from each value's own index.
fn oracle(values: &[f64]) -> (i8, i32, Vec<f64>, f64) {
    let mut indexes: Vec<i32> = values
        .iter()
        .filter(|v| **v > 0.0)
        .map(|v| index_of(*v))
        .collect();
    let zero = (values.len() - indexes.len()) as f64;
    indexes.sort_unstable();
    let (Some(&low), Some(&high)) = (indexes.first(), indexes.last()) else {
        return (SCALE_MAX, 0, Vec::new(), zero);
    };
    let steps = (0..)
        .find(|s| (high >> s) - (low >> s) < BUCKETS_MAX as i32)
        .expect("there is one");
    let mut buckets = vec![0.0; ((high >> steps) - (low >> steps) + 1) as usize];
    for index in indexes {
        buckets[((index >> steps) - (low >> steps)) as usize] += 1.0;
    }
    (SCALE_MAX - steps as i8, low >> steps, buckets, zero)
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        4 => 1e-6..10.0f64,
        1 => any::<u64>().prop_map(|bits| f64::from_bits(bits & 0x7fef_ffff_ffff_ffff)),
        1 => Just(0.0),
    ];
    prop::collection::vec(value, 0..60)
}

proptest! {
    #[test]
    fn buckets_are_those_of_the_values(values in values()) {
        prop_assert_eq!(shape(&of(&values)), oracle(&values));
    }

    #[test]
    fn merging_in_any_order_counts_like_observing_all(a in values(), b in values(), c in values()) {
        let all: Vec<f64> = a.iter().chain(&b).chain(&c).copied().collect();
        let (a, b, c) = (of(&a), of(&b), of(&c));
        for order in [[&a, &b, &c], [&c, &a, &b], [&b, &c, &a]] {
            let mut merged = ExpHistogram::new();
            order.into_iter().for_each(|one| merged.merge(one));
            prop_assert_eq!(shape(&merged), oracle(&all));
            prop_assert!(merged.is_whole());
        }
    }

    #[test]
    fn weights_count_as_often_as_they_say(values in values(), weight in 1u8..5) {
        let mut weighted = ExpHistogram::new();
        values.iter().for_each(|value| weighted.observe_weighted(*value, f64::from(weight)));
        let (scale, offset, buckets, zero) = oracle(&values);
        let times = |count: f64| count * f64::from(weight);
        let expected = (scale, offset, buckets.into_iter().map(times).collect(), times(zero));
        prop_assert_eq!(shape(&weighted), expected);
        let mut merged = of(&values);
        merged.merge(&weighted);
        prop_assert_eq!(merged.count(), values.len() as f64 * (1.0 + f64::from(weight)));
    }

    #[test]
    fn its_parts_make_it_again(values in values()) {
        let histogram = of(&values);
        let again = ExpHistogram::from_parts(histogram.scale(), histogram.offset(), histogram.counts().clone(), histogram.sum());
        prop_assert_eq!(again, Some(histogram));
    }
}

#[test]
fn what_is_no_histogram_is_none() {
    let whole = |buckets: Vec<u64>| Counts::Whole { zero: 0, buckets };
    for (scale, offset, counts) in [
        (4, 0, whole(vec![1])),
        (-11, 0, whole(vec![1])),
        (3, 0, whole(vec![1; 161])),
        (3, 0, whole(vec![0, 1])),
        (3, 0, whole(vec![1, 0])),
        (3, i32::MAX, whole(vec![1])),
        (
            3,
            0,
            Counts::Weighted {
                zero: f64::NAN,
                buckets: vec![],
            },
        ),
        (
            3,
            0,
            Counts::Weighted {
                zero: -1.0,
                buckets: vec![],
            },
        ),
    ] {
        assert_eq!(
            ExpHistogram::from_parts(scale, offset, counts.clone(), 0.0),
            None,
            "{counts:?}"
        );
    }
}

#[test]
fn sums_are_in_seconds_and_nothing_counts_below_zero() {
    let mut histogram = of(&[0.25, -1.0, f64::NAN]);
    histogram.observe_weighted(0.5, 3.0);
    assert_eq!(
        (histogram.sum(), histogram.count(), histogram.zero_count()),
        (1.75, 6.0, 2.0)
    );
}

#[test]
fn counts_of_any_size_are_exact_and_small_while_they_fit() {
    #[track_caller]
    fn check(histogram: &ExpHistogram, is_small: bool, buckets: &[f64]) {
        assert_eq!(histogram.buckets().collect::<Vec<_>>(), buckets);
        let small = matches!(histogram.counts(), Counts::Small { .. });
        assert_eq!(small, is_small, "{:?}", histogram.counts());
    }
    let of_one = |n: usize| of(&vec![1.05; n]);
    check(&of_one(65_535), true, &[65_535.0]);
    check(&of_one(65_536), false, &[65_536.0]);
    let mut merged = of_one(40_000);
    merged.merge(&of_one(40_000));
    check(&merged, false, &[80_000.0]);
    let mut neighbours = of_one(40_000);
    neighbours.merge(&of(&vec![1.12; 40_000]));
    check(&neighbours, true, &[40_000.0, 40_000.0]);
    neighbours.observe(1.05e6); // so far away that the two become one
    let buckets: Vec<f64> = neighbours.buckets().collect();
    assert_eq!(
        (buckets.first(), buckets.last()),
        (Some(&80_000.0), Some(&1.0))
    );
    let whole = Counts::Whole {
        zero: 0,
        buckets: vec![2],
    };
    let again = ExpHistogram::from_parts(3, 0, whole, 2.1).expect("a histogram");
    check(&again, true, &[2.0]);
}
