use telemetry::{SpanId, TraceId};

use super::super::fault::Fault;
use super::*;
use crate::api::own::Sampled;

fn key(words: &[&str]) -> Key {
    words.iter().map(ToString::to_string).collect()
}

/// `a 0.1 x2 failed`: a span of instance `a` that took 0.1 s, stands for two, and failed.
fn span(text: &str) -> Seen {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |at: usize| words[at].trim_start_matches('x').parse().expect("a number");
    let fault = Fault {
        kind: None,
        message: None,
    };
    Seen {
        key: key(&["GET /", "SPAN_KIND_SERVER", words[0]]),
        trace: TraceId([1; 16]),
        span: SpanId([1; 8]),
        start_unix_ns: 0,
        end_unix_ns: 0,
        duration_s: number(1),
        fault: words.contains(&"failed").then_some(fault),
        weight: number(2),
        sampled: Sampled {
            state: "kept",
            rule: None,
            adjusted_count: None,
            late: false,
        },
    }
}

/// `a 3/40`: instance, calls that failed, and calls; of so many that were counted.
#[track_caller]
fn check((failed, calls): (f64, f64), spans: &[&str], expected: &[&str]) {
    let spans: Vec<Seen> = spans.iter().map(|text| span(text)).collect();
    let measure = Measure {
        calls,
        failed,
        ..Measure::default()
    };
    let counted = Groups::from([(key(&["GET /", "SPAN_KIND_SERVER"]), measure)]);
    let shares = by_instance(&counted, &spans);
    let told = |(key, share): (&Key, &Share)| {
        let value = share.count.expect("a count").value;
        assert!((value - share.measure.calls).abs() < 1e-9);
        format!(
            "{} {:.2}/{:.2}",
            key[2], share.measure.failed, share.measure.calls
        )
    };
    let told: Vec<String> = shares.iter().map(told).collect();
    assert_eq!(told, expected);
}

#[test]
fn instances_share_what_was_counted_by_the_weight_of_their_spans() {
    check(
        (0.0, 40.0),
        &["a 0.1 x1", "b 0.1 x3"],
        &["a 0.00/10.00", "b 0.00/30.00"],
    );
    // every failure is kept, and one of ten of the rest
    check(
        (2.0, 22.0),
        &[
            "a 0.1 x1 failed",
            "a 0.1 x1 failed",
            "b 0.1 x10",
            "a 0.1 x10",
        ],
        &["a 2.00/12.00", "b 0.00/10.00"],
    );
    // nobody knows whose the failures were
    check((4.0, 10.0), &["a 0.1 x1"], &[" 4.00/4.00", "a 0.00/6.00"]);
    check((4.0, 10.0), &[], &[" 4.00/10.00"]);
    // open traces are ahead of the series
    check(
        (0.0, 1.0),
        &["a 0.1 x1", "b 0.1 x1"],
        &["a 0.00/1.00", "b 0.00/1.00"],
    );
    check((0.0, 0.0), &[], &[" 0.00/0.00"]);
}

#[test]
fn durations_of_an_instance_are_those_of_its_spans() {
    let spans = ["a 0.1 x1", "b 2 x1"].map(span);
    let measure = Measure {
        calls: 10.0,
        ..Measure::default()
    };
    let counted = Groups::from([(key(&["GET /", "SPAN_KIND_SERVER"]), measure)]);
    let shares = by_instance(&counted, &spans);
    let of = |instance| &shares[&key(&["GET /", "SPAN_KIND_SERVER", instance])].measure;
    assert_eq!((of("a").server.count(), of("b").server.count()), (5.0, 5.0));
    let p95 = [of("a").p95(), of("b").p95()].map(Option::unwrap_or_default);
    assert!(
        (p95[0] - 0.1).abs() < 0.006 && (p95[1] - 2.0).abs() < 0.12,
        "{p95:?}"
    );
}

#[test]
fn an_interval_is_as_wide_as_what_it_is_told_by_allows() {
    // a hundred failures, all kept, of a; of ten thousand others ten are kept, one of them of b
    let failed = ["a 0.1 x1 failed"; 100].into_iter();
    let rest = ["a 0.1 x1000"; 9].into_iter().chain(["b 0.1 x1000"]);
    let spans: Vec<Seen> = failed.chain(rest).map(span).collect();
    let measure = Measure {
        calls: 10_100.0,
        failed: 100.0,
        ..Measure::default()
    };
    let counted = Groups::from([(key(&["GET /", "SPAN_KIND_SERVER"]), measure)]);
    let shares = by_instance(&counted, &spans);
    let of = |instance| {
        let share = &shares[&key(&["GET /", "SPAN_KIND_SERVER", instance])];
        let count = serde_json::to_value(share.count.expect("a count")).expect("JSON");
        ["value", "low", "high", "n"].map(|name| count[name].as_f64().unwrap_or_default())
    };
    // Wilson's interval of 1 in 10 is 0.018 to 0.404
    let [value, low, high, n] = of("b");
    assert!((value - 1_000.0).abs() < 1e-6 && n == 1.0, "{:?}", of("b"));
    assert!(
        (low - 179.0).abs() < 5.0 && (high - 4_042.0).abs() < 5.0,
        "{:?}",
        of("b")
    );
    let [value, low, high, n] = of("a");
    assert!(
        (value - 9_100.0).abs() < 1e-6 && n == 109.0,
        "{:?}",
        of("a")
    );
    assert!(
        (low - 6_058.0).abs() < 5.0 && (high - 9_921.0).abs() < 5.0,
        "{:?}",
        of("a")
    );
}
