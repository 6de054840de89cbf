//! Points of all kinds as series.

use super::*;
use crate::Points;
use crate::fold::Totals;
use crate::head::{Caps, TenantHead};
use crate::series::SeriesId;

fn pairs<'a>(all: &[(&'a str, &'a str)]) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let pair = |(key, value): &(&'a str, &'a str)| (Cow::Borrowed(*key), Cow::Borrowed(*value));
    all.iter().map(pair).collect()
}

/// Folds one point and tells what came of it: a line a series.
fn told(
    name: &str,
    unit: &str,
    kind: Kind,
    attributes: &[(&str, &str)],
    point: Point<'_>,
) -> Vec<String> {
    let mut head = TenantHead::default();
    let mut totals = Totals::default();
    let caps = Caps {
        series_max: 100,
        metric_series_max: 100,
    };
    let mut fold = Fold::new(&mut head, &mut totals, caps, None);
    let resource = ResourceLabels::new(&pairs(attributes));
    let metric = Metric {
        name,
        unit,
        description: "about it",
        kind,
    };
    metric.tell(&mut fold);
    MetricFold::new(&metric, &resource).fold(&point, &mut fold);
    resource.fold_infos(unix_ms(point.time_unix_ns), &mut fold);
    lines(&head)
}

fn lines(head: &TenantHead) -> Vec<String> {
    let series = head.series();
    let points = |id| head.row(id, i64::MIN, i64::MAX).into_points();
    let line = |id: SeriesId| {
        let labels = series.owned_labels(id);
        let pairs: Vec<String> = labels
            .iter()
            .filter(|(name, _)| *name != NAME)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let points = match points(id) {
            Points::Samples(samples) => {
                let floats = samples.floats.iter().map(|(at, v)| format!("{v}@{at}"));
                let histograms = samples.histograms.iter();
                let histograms =
                    histograms.map(|(at, h)| format!("{}/{:?}@{at}", h.count, h.positive));
                floats.chain(histograms).collect::<Vec<_>>().join(" ")
            }
            Points::Windows(windows) => {
                let one = |w: &Window| match &w.value {
                    Value::Float(value) => {
                        format!("+{value}@{}..{}", w.start_unix_ms, w.end_unix_ms)
                    }
                    Value::Histogram(h) => {
                        format!("+{}@{}..{}", h.count, w.start_unix_ms, w.end_unix_ms)
                    }
                };
                windows.iter().map(one).collect::<Vec<_>>().join(" ")
            }
        };
        format!("{}{{{}}} {points}", labels.name(), pairs.join(","))
    };
    series.sorted().into_iter().map(line).collect()
}

fn point<'a>(attributes: &'a [(Cow<'a, str>, Cow<'a, str>)], data: Data<'a>) -> Point<'a> {
    Point {
        attributes,
        start_unix_ns: 10_000_000,
        time_unix_ns: 20_000_000,
        no_value: false,
        data,
        exemplars: &[],
    }
}

const CUMULATIVE: Kind = Kind::Sum {
    monotonic: true,
    delta: false,
};
const DELTA: Kind = Kind::Sum {
    monotonic: true,
    delta: true,
};

#[test]
fn a_number_has_its_resource_and_its_own_labels() {
    let attributes = pairs(&[("http.route", "/a"), ("http_route", "/b"), ("empty", "")]);
    let resource = [
        ("service.namespace", "shop"),
        ("service.name", "cart"),
        ("service.instance.id", "i1"),
        ("host.name", "h"),
        ("os.type", "linux"),
    ];
    let lines = told(
        "req",
        "",
        CUMULATIVE,
        &resource,
        point(&attributes, Data::Number(3.0)),
    );
    assert_eq!(
        lines,
        [
            "req_total{host_name=h,http_route=/a;/b,instance=i1,job=shop/cart,service_instance_id=i1,service_name=cart,service_namespace=shop} 3@20",
            "target_info{host_name=h,instance=i1,job=shop/cart,os_type=linux} 1@20"
        ]
    );
}

#[test]
fn deltas_are_windows_and_a_missing_start_is_no_length() {
    let lines = told("req", "By", DELTA, &[], point(&[], Data::Number(3.0)));
    assert_eq!(lines, ["req_bytes_total{} +3@10..20"]);
    let without_start = Point {
        start_unix_ns: 0,
        ..point(&[], Data::Number(3.0))
    };
    assert_eq!(
        told("req", "", DELTA, &[], without_start),
        ["req_total{} +3@20..20"]
    );
}

#[test]
fn histograms_have_cumulative_buckets() {
    let data = Data::Histogram {
        count: 7,
        sum: Some(9.5),
        bounds: &[0.5, 10.0],
        counts: &[1, 2, 4],
    };
    let kind = |delta| Kind::Histogram { delta };
    assert_eq!(
        told("lat", "s", kind(false), &[], point(&[], data)),
        [
            "lat_seconds_bucket{le=+Inf} 7@20",
            "lat_seconds_bucket{le=0.5} 1@20",
            "lat_seconds_bucket{le=10} 3@20",
            "lat_seconds_count{} 7@20",
            "lat_seconds_sum{} 9.5@20"
        ]
    );
    let lines = told("lat", "s", kind(true), &[], point(&[], data));
    assert_eq!(
        lines.get(2).map(String::as_str),
        Some("lat_seconds_bucket{le=10} +3@10..20")
    );
}

#[test]
fn exponential_histograms_are_native_and_summaries_have_quantiles() {
    let data = Data::ExpHistogram {
        scale: 9,
        count: 6,
        sum: None,
        zero_count: 1,
        zero_threshold: 0.0,
        positive: (0, &[1, 1, 3]),
        negative: (0, &[]),
    };
    // two buckets of scale 9 are one of 8; OpenTelemetry's 0 is Prometheus's 1
    let lines = told(
        "lat",
        "",
        Kind::ExpHistogram { delta: false },
        &[],
        point(&[], data),
    );
    assert_eq!(
        lines,
        ["lat{} 6/Buckets { offset: 1, counts: [2.0, 3.0] }@20"]
    );
    let data = Data::Summary {
        count: 2,
        sum: 3.0,
        quantiles: &[(0.5, 1.0), (1.0, 2.0)],
    };
    assert_eq!(
        told("lat", "", Kind::Summary, &[], point(&[], data)),
        [
            "lat{quantile=0.5} 1@20",
            "lat{quantile=1} 2@20",
            "lat_count{} 2@20",
            "lat_sum{} 3@20"
        ]
    );
}

#[test]
fn no_recorded_value_is_a_stale_marker() {
    let mut head = TenantHead::default();
    let mut totals = Totals::default();
    let caps = Caps {
        series_max: 9,
        metric_series_max: 9,
    };
    let mut fold = Fold::new(&mut head, &mut totals, caps, None);
    let resource = ResourceLabels::default();
    let metric = Metric {
        name: "a",
        unit: "",
        description: "",
        kind: Kind::Gauge,
    };
    let ended = Point {
        no_value: true,
        ..point(&[], Data::Number(0.0))
    };
    MetricFold::new(&metric, &resource).fold(&ended, &mut fold);
    let id = head.select(&[])[0];
    let bits: Vec<u64> = head
        .row(id, 0, 99)
        .floats
        .iter()
        .map(|(_, v)| v.to_bits())
        .collect();
    assert_eq!(bits, [STALE_BITS]);
}

#[test]
fn entities_have_info_series() {
    let number = || point(&[], Data::Number(1.0));
    let lines = told(
        "a",
        "",
        Kind::Gauge,
        &[("host.id", "1"), ("host.name", "h")],
        number(),
    );
    assert_eq!(
        lines,
        [
            "a{host_id=1,host_name=h} 1@20",
            "host_info{host_id=1,host_name=h} 1@20"
        ]
    );
    let in_container = [
        ("host.name", "c"),
        ("host.id", "1"),
        ("container.id", "abc"),
    ];
    let lines = told("a", "", Kind::Gauge, &in_container, number());
    assert_eq!(
        lines.get(1).map(String::as_str),
        Some("container_info{container_id=abc,host_id=1,host_name=c} 1@20")
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
}
