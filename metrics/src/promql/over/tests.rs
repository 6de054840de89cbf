//! Each function on small ranges, as Prometheus documents it.

use super::*;
use crate::Window;
use windows::Range;

/// Floats every 10 s from 10 s on, in (0 s, n × 10 s].
fn floats(values: &[f64]) -> Vec<(i64, f64)> {
    (1..)
        .zip(values)
        .map(|(idx, value)| (idx * 10_000, *value))
        .collect()
}

fn applied(over: Over, values: &[f64], params: (f64, f64)) -> Option<Value> {
    let floats = floats(values);
    let to = 10_000 * i64::try_from(values.len()).unwrap();
    let is_counter = over != Over::Delta;
    let falls = floats
        .windows(2)
        .filter(|pair| is_counter && pair[1].1 < pair[0].1);
    let fell_from: Vec<f64> = falls.map(|pair| pair[0].1).collect();
    let points = Points {
        fell_from: &fell_from,
        floats: &floats,
        histograms: &[],
        from: 0,
        to,
        range_ms: to,
        at: to,
        params,
        metric: "a_total",
        notes: &Notes::default(),
    };
    apply(over, &points)
}

#[track_caller]
fn check(over: Over, values: &[f64], expected: f64) {
    check_with(over, values, (f64::NAN, f64::NAN), expected);
}

#[track_caller]
fn check_with(over: Over, values: &[f64], params: (f64, f64), expected: f64) {
    let got = applied(over, values, params);
    let Some(Value::Float(got)) = got else {
        panic!("{over:?} of {values:?}: {got:?}");
    };
    let is_same =
        got == expected || (got - expected).abs() < 1e-9 || got.is_nan() && expected.is_nan();
    assert!(is_same, "{over:?} of {values:?}: {got}, not {expected}");
}

#[test]
fn functions_of_ranges() {
    let nan = f64::NAN;
    check(Over::Sum, &[1.0, 2.0, 4.0], 7.0);
    check(Over::Sum, &[1.0, 1e100, 1.0, -1e100], 2.0);
    check(Over::Avg, &[1.0, 2.0, 6.0], 3.0);
    check(Over::Count, &[1.0, 2.0, 6.0], 3.0);
    check(Over::Max, &[nan, 1.0, 3.0, nan, 2.0], 3.0);
    check(Over::Min, &[nan, 1.0, 3.0, nan, 2.0], 1.0);
    check(Over::Max, &[nan, nan], nan);
    check(Over::First, &[5.0, 6.0], 5.0);
    check(Over::Last, &[5.0, 6.0], 6.0);
    check(Over::Present, &[0.0], 1.0);
    check(Over::Changes, &[1.0, 1.0, 2.0, nan, nan, 2.0], 3.0);
    check(Over::Resets, &[1.0, 3.0, 2.0, 2.0, 0.0], 2.0);
    check(Over::Stdvar, &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 4.0);
    check(Over::Stddev, &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 2.0);
    check(Over::Mad, &[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0], 1.0);
    check(Over::TsOfMax, &[1.0, 3.0, 3.0, 2.0], 30.0);
    check(Over::TsOfMin, &[1.0, 3.0, 1.0, 2.0], 30.0);
    check(Over::TsOfFirst, &[1.0, 3.0], 10.0);
    check(Over::TsOfLast, &[1.0, 3.0], 20.0);
    check(Over::Deriv, &[1.0, 3.0, 5.0], 0.2);
    check(Over::Deriv, &[1.0, 1.0], 0.0);
    check_with(Over::PredictLinear, &[1.0, 3.0, 5.0], (100.0, nan), 25.0);
    check_with(Over::Quantile, &[1.0, 2.0, 3.0, 4.0], (0.5, nan), 2.5);
    check_with(
        Over::DoubleExponentialSmoothing,
        &[1.0, 2.0, 3.0, 4.0],
        (0.5, 0.5),
        4.0,
    );
    check(Over::Idelta, &[9.0, 7.0, 3.0], -4.0);
    check(Over::Irate, &[9.0, 7.0, 3.0], 0.3);
    check(Over::Irate, &[1.0, 7.0], 0.6);
}

#[test]
fn counters_are_extrapolated_to_the_ends_of_the_range_but_not_below_zero() {
    // 10 s to 50 s in (0, 50 s]: 40 s seen, 10 s before the first
    check(Over::Increase, &[10.0, 20.0, 30.0, 40.0, 50.0], 50.0);
    check(Over::Rate, &[10.0, 20.0, 30.0, 40.0, 50.0], 1.0);
    check(Over::Increase, &[0.0, 10.0, 20.0, 30.0, 40.0], 40.0);
    check(Over::Delta, &[10.0, 20.0, 30.0, 40.0, 50.0], 50.0);
    check(Over::Delta, &[50.0, 40.0], -20.0);
    // began anew: 20 + 10 in 20 s; at this pace it was 0 a third of that before
    check(Over::Increase, &[10.0, 30.0, 10.0], 40.0);
    assert_eq!(applied(Over::Rate, &[1.0], (0.0, 0.0)), None);
    assert_eq!(applied(Over::Irate, &[1.0], (0.0, 0.0)), None);
    assert_eq!(applied(Over::Deriv, &[1.0], (0.0, 0.0)), None);
    assert_eq!(applied(Over::Sum, &[], (0.0, 0.0)), None);
}

#[test]
fn windows_count_where_they_end_and_long_ones_by_their_part() {
    let window = |start: i64, end: i64, value: f64| Window {
        start_unix_ms: start * 1000,
        end_unix_ms: end * 1000,
        value: Value::Float(value),
    };
    let windows = [
        window(0, 10, 10.0),
        window(10, 20, 4.0),
        window(20, 30, 8.0),
        window(30, 30, 1.0),
    ];
    let notes = Notes::default();
    let of = |over, from: i64, to: i64| {
        let range = Range {
            from: from * 1000,
            to: to * 1000,
        };
        of_windows(over, &windows, range, ("a", &notes))
    };
    let float = |value: f64| Some(Value::Float(value));
    assert_eq!(of(Over::Increase, 0, 30), float(23.0));
    assert_eq!(of(Over::Increase, 5, 25), float(10.0 + 4.0));
    assert_eq!(of(Over::Increase, 5, 8), float(3.0));
    assert_eq!(of(Over::Rate, 10, 20), float(0.4));
    assert_eq!(of(Over::Rate, -30, 10), float(0.25));
    assert_eq!(of(Over::Rate, 12, 14), float(0.4));
    assert_eq!(of(Over::Irate, 0, 29), float(0.4));
    assert_eq!(of(Over::Increase, 30, 60), None);
    assert_eq!(of(Over::Increase, 29, 60), float(8.0 + 1.0));
}
