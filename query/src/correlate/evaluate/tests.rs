use super::*;
use ::metrics::{Labels, Samples};

/// `name{label=value}` and its points as (s, value).
fn series(name: &str, labels: &[(&str, &str)], points: &[(i64, f64)]) -> SeriesData {
    let name = [("__name__", name)];
    let labels = labels.iter().chain(&name);
    let floats = points
        .iter()
        .map(|(s, value)| (s * 1_000, *value))
        .collect();
    let histograms = Vec::new();
    SeriesData {
        labels: Labels::new(labels.map(|(name, value)| (*name, *value))),
        points: Points::Samples(Samples { floats, histograms }),
    }
}

fn pick(metric: &'static str) -> Pick {
    Pick { metric, only: None }
}

const SECONDS: Grid = Grid {
    start_unix_ms: 0,
    step_ms: 10_000,
    n: 6,
};

#[track_caller]
fn check(value: &Expression, series: &[SeriesData], expected: &[f64]) {
    let series: Vec<&SeriesData> = series.iter().collect();
    let found = evaluate(value, &series, SECONDS).expect("there are series");
    let text = |values: &[f64]| format!("{values:?}");
    assert_eq!(text(&found), text(expected));
}

const NO: f64 = f64::NAN;

#[test]
fn rates_look_back_over_three_readings_and_survive_a_reset() {
    let counter = series(
        "c",
        &[],
        &[(0, 0.0), (10, 10.0), (20, 30.0), (30, 5.0), (40, 15.0)],
    );
    check(
        &Expression::Rate(pick("c")),
        &[counter],
        &[NO, 1.0, 1.5, 1.25, 0.75, 1.0],
    );
}

#[test]
fn values_hold_for_three_readings_and_stop_at_a_mark_of_an_end() {
    let gauge = series("g", &[], &[(0, 1.0), (10, 2.0), (20, NO)]);
    check(
        &Expression::Value(pick("g")),
        &[gauge],
        &[1.0, 2.0, 2.0, 2.0, NO, NO],
    );
}

#[test]
fn series_of_a_metric_are_added_up_and_conditions_pick_among_them() {
    let only = |is| Pick {
        metric: "c",
        only: Some(Only {
            labels: &["cpu_mode", "mode"],
            is,
            values: &["idle"],
        }),
    };
    let all = [
        series("c", &[("mode", "idle")], &[(0, 0.0), (10, 5.0), (20, 10.0)]),
        series(
            "c",
            &[("cpu_mode", "user")],
            &[(0, 0.0), (10, 15.0), (20, 30.0)],
        ),
        series("d", &[("mode", "idle")], &[(0, 0.0), (10, 1.0)]),
    ];
    check(
        &Expression::Rate(only(true)),
        &all,
        &[NO, 0.5, 0.5, 0.5, NO, NO],
    );
    check(
        &Expression::Rate(only(false)),
        &all,
        &[NO, 1.5, 1.5, 1.5, NO, NO],
    );
    check(
        &Expression::Rate(pick("c")),
        &all,
        &[NO, 2.0, 2.0, 2.0, NO, NO],
    );
    const BUSY: Expression = Expression::Rate(Pick {
        metric: "c",
        only: Some(Only {
            labels: &["cpu_mode", "mode"],
            is: false,
            values: &["idle"],
        }),
    });
    const ALL: Expression = Expression::Rate(Pick {
        metric: "c",
        only: None,
    });
    check(
        &Expression::Ratio(&BUSY, &ALL),
        &all,
        &[NO, 0.75, 0.75, 0.75, NO, NO],
    );
    const SHARE: Expression = Expression::Ratio(&BUSY, &ALL);
    check(
        &Expression::Rest(&SHARE),
        &all,
        &[NO, 0.25, 0.25, 0.25, NO, NO],
    );
    let none: Vec<&SeriesData> = Vec::new();
    assert_eq!(evaluate(&ALL, &none, SECONDS), None);
}

#[test]
fn deltas_are_divided_by_the_length_of_their_windows() {
    let window = |end: i64, value| Window {
        start_unix_ms: (end - 10) * 1_000,
        end_unix_ms: end * 1_000,
        value: Value::Float(value),
    };
    let deltas = SeriesData {
        labels: Labels::new([("__name__", "c")]),
        points: Points::Windows(vec![window(10, 5.0), window(20, 15.0)]),
    };
    check(
        &Expression::Rate(pick("c")),
        &[deltas],
        &[NO, 0.5, 1.0, 1.0, 1.5, NO],
    );
}

#[test]
fn how_far_is_looked_back_follows_how_often_readings_come() {
    let each = |s: i64| {
        let points: Vec<_> = (0..10).map(|i| (i * s, 0.0)).collect();
        window_ms(&series("c", &[], &points))
    };
    assert_eq!(
        (each(1), each(10), each(60), each(600)),
        (3_000, 30_000, 180_000, 300_000)
    );
    assert_eq!(window_ms(&series("c", &[], &[(0, 1.0)])), 30_000);
}
